# 1. Put the picture on the desk. A public address of your own needs no upload.
curl --fail-with-body -sS -o upload.json -H "Authorization: Bearer $TOKEN" -F file=@shirt.jpg "{desk}/api/v1/uploads"

# 2. Order.
python3 -c 'import json; print(json.dumps({"image_url": json.load(open("upload.json"))["image_url"], "model_name": "topaz",
  "generation_settings": {"upscale_factor": "2x"}, "reference": "PIM-4711/front"}))' > body.json
curl --fail-with-body -sS -o order.json -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \
  -H "Idempotency-Key: PIM-4711/front" -d @body.json "{desk}/api/v1/generation-upscale"

# 3. Ask how it stands, by your own reference.
curl --fail-with-body -sS -H "Authorization: Bearer $TOKEN" "{desk}/api/v1/generations?reference=PIM-4711/front"

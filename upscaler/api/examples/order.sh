# The order brings its picture along and waits for the result, for 60 seconds at most.
curl --fail-with-body -sS -o order.json \
  -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: shirt-front-1" \
  -F file=@shirt.jpg -F model_name=recraft -F sku=12-5 \
  "{desk}/api/v1/generation-upscale?wait=60"

# Not there yet? Wait on.
until python3 -c 'import json, sys; sys.exit(json.load(open("order.json"))["status"] not in ("Done", "Error"))'; do
  number=$(python3 -c 'import json; print(json.load(open("order.json"))["generation_id"])')
  curl --fail-with-body -sS -o order.json -H "Authorization: Bearer $TOKEN" "{desk}/api/v1/generation/$number?wait=60"
  sleep 1
done

# The link works for 4 hours without a token, and with it for good.
curl --fail-with-body -sS -o enlarged.jpg -H "Authorization: Bearer $TOKEN" \
  "$(python3 -c 'import json; print(json.load(open("order.json"))["generation_results"][0]["image_url"])')"

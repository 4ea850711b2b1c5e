-- Asks for the addresses in a file, one after the other and from the first again, and says as JSON how it went.
-- wrk -s bench/requests.lua URL -- METHOD FILE_OF_PATHS [FILE_OF_BODY | anew]
-- With "anew" each request differs from all before, so that no page is answered as it was.

local paths, method, body, anew, at, count = {}, "GET", nil, false, 0, 0

function init(args)
  method = args[1]
  for line in io.lines(args[2]) do paths[#paths + 1] = line end
  anew = args[3] == "anew"
  if args[3] and not anew then body = io.open(args[3], "rb"):read("*a") end
end

function request()
  at = at % #paths + 1
  count = count + 1
  if anew then wrk.headers["X-Bench"] = string.format("%d %f", count, os.clock()) end
  return wrk.format(method, paths[at], nil, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "failed": %d, "p95_ms": %.2f}\n',
    summary.requests, summary.duration / 1e6,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(95) / 1000
  ))
end

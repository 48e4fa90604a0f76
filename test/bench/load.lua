-- For wrk: posts the bodies of a file, one after the other, and ends with one line of JSON.
-- Arguments after `--`: file of bodies (each after its length and a line break), content type, paths separated by
-- commas that take turns, and of binary bodies how long their JSON is.
local requests = {}
local turn = 0

function init(args)
  local file = assert(io.open(args[1], 'rb'))
  local headers = { ['Content-Type'] = args[2] }
  if args[4] then headers['Inference-Header-Content-Length'] = args[4] end
  local paths = {}
  for path in args[3]:gmatch('[^,]+') do paths[#paths + 1] = path end
  while true do
    local length = file:read('*n')
    if not length then break end
    file:read(1)
    local path = paths[#requests % #paths + 1]
    requests[#requests + 1] = wrk.format('POST', path, headers, file:read(length))
  end
  file:close()
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50Ms":%.4f,"p99Ms":%.4f,"failed":%d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end

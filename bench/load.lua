-- The load that wrk makes, for every case. Arguments: the case, a file of lines that the
-- threads share out among themselves, and the number of threads. Prints one line of JSON at the end.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local lines, at, case, waiting = {}, 0, nil, nil
local json = { ["Content-Type"] = "application/json" }
local form = { ["Content-Type"] = "application/x-www-form-urlencoded" }

local function line()
  at = at % #lines + 1
  return lines[at]
end

local build = {
  restricted = function()
    return wrk.format("GET", "/api/restricted", { ["Authorization"] = "Bearer " .. line() })
  end,
  verify = function()
    return wrk.format("POST", "/api/verify", json, '{"token":"' .. line() .. '"}')
  end,
  introspect = function()
    return wrk.format("POST", "/api/introspect", form, "token=" .. line())
  end,
  login = function()
    return wrk.format("POST", "/api/login", json, line())
  end,
  -- Each token is used once; its place is taken by the one that the answer brings.
  refresh = function()
    local token = line()
    waiting = at
    return wrk.format("POST", "/api/refresh", json, '{"refresh":"' .. token .. '"}')
  end,
  -- Each token is used once; when there are no more, the thread stops.
  logout = function()
    if at == #lines then
      wrk.thread:stop()
    end
    return wrk.format("POST", "/api/logout", json, '{"refresh":"' .. line() .. '"}')
  end,
}

function init(args)
  case = args[1]
  local sharing, count = tonumber(args[3]), 0
  for text in io.lines(args[2]) do
    if case == "introspect" and count == 0 then
      form["Authorization"] = "Bearer " .. text -- the first line is the one who asks
    elseif count % sharing == number then
      lines[#lines + 1] = text
    end
    count = count + 1
  end
  request = build[case]
  if case == "refresh" then
    response = function(status, headers, body)
      local token = body:match('"refresh":%s*"([^"]+)"')
      if token then
        lines[waiting] = token
      end
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "mean": %.3f, "p50": %.3f, "p99": %.3f, "refused": %d, "broken": %d}',
    summary.requests, summary.duration / 1e6,
    latency.mean / 1e3, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end

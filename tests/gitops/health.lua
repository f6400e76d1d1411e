-- What Argo CD makes of a ResizeEndpoint: docs/argocd-health.lua on statuses as the operator writes them. Run from the top of the project.
local health = assert(loadfile("docs/argocd-health.lua", "t"))

local function endpoint(generation, observed, ready, spec)
  local object = { metadata = { generation = generation }, spec = spec or {} }
  if observed then
    local conditions = { { type = "Accepted", status = "True", reason = "Valid", message = "the spec is valid" } }
    if ready then
      conditions[2] = { type = "Ready", status = ready[1], reason = ready[2], message = ready[3] }
    end
    object.status = { observedGeneration = observed, conditions = conditions }
  end
  return object
end

local serving = { "True", "Serving", "visitors get pictures" }
local denied = { "False", "AccessDenied", "403 AccessDenied: PutBucketWebsite" }
for number, case in ipairs({
  { endpoint(1), "Progressing", "waiting for the operator" },
  { endpoint(2, 1, serving), "Progressing", "current spec" },
  { endpoint(1, 1), "Progressing", "not there yet" },
  { endpoint(1, 1, { "Unknown", "NotAttempted", "" }), "Progressing", "" },
  { endpoint(1, 1, { "False", "Progressing", "0 of 1 pods serve" }), "Progressing", "0 of 1 pods serve" },
  { endpoint(1, 1, { "False", "WaitingForWorkload", "" }), "Progressing", "" },
  { endpoint(1, 1, serving), "Healthy", "visitors get pictures" },
  { endpoint(1, 1, { "True", "ServingUnverified", "not looked at" }), "Healthy", "not looked at" },
  { endpoint(1, 1, denied), "Degraded", "AccessDenied: 403 AccessDenied" },
  { endpoint(1, 1, { "False", "InvalidSpec", "spec.publicUrl: want" }), "Degraded", "InvalidSpec: spec.publicUrl" },
  { endpoint(1, 1, denied, { suspend = true }), "Suspended", "suspend" },
}) do
  obj = case[1]
  local found = health()
  assert(found.status == case[2], number .. ": " .. found.status .. ", want " .. case[2])
  assert(found.message:find(case[3], 1, true), number .. ": " .. found.message .. ", want " .. case[3])
end

-- every reason that it names is one of the operator's
local function read(name)
  local file = assert(io.open(name))
  local text = file:read("a")
  file:close()
  return text
end
local reasons, named = read("crds/src/condition.rs"), 0
for reason in read("docs/argocd-health.lua"):gmatch("\n  (%u%w+) = true") do
  assert(reasons:find("\n    " .. reason .. ",", 1, true), reason .. " is no reason")
  named = named + 1
end
assert(named >= 5, "no reasons found")
print("11 statuses, " .. named .. " reasons")

-- Argo CD: health of a ResizeEndpoint, by its conditions and generation.
-- Goes into the ConfigMap argocd-cm under resource.customizations.health.resize-operator.dev_ResizeEndpoint.
local function progressing(message)
  return { status = "Progressing", message = message }
end

local status = obj.status
if status == nil or status.conditions == nil then
  return progressing("waiting for the operator")
end
if status.observedGeneration ~= obj.metadata.generation then
  return progressing("waiting for the operator to look at the current spec")
end
if obj.spec ~= nil and obj.spec.suspend then
  return { status = "Suspended", message = "spec.suspend is true" }
end
-- these pass by themselves
local passing = {
  ConcurrentWrite = true,
  NotAttempted = true,
  Progressing = true,
  RollingOut = true,
  Verifying = true,
  WaitingForExternalWriter = true,
  WaitingForWorkload = true,
}
for _, condition in ipairs(status.conditions) do
  if condition.type == "Ready" then
    if condition.status == "True" then
      return { status = "Healthy", message = condition.message }
    elseif condition.status == "Unknown" or passing[condition.reason] then
      return progressing(condition.message)
    end
    return { status = "Degraded", message = condition.reason .. ": " .. condition.message }
  end
end
return progressing("condition Ready is not there yet")

{{- define "resize-operator.name" -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "resize-operator.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "resize-operator.name" .) }}
{{- end }}

{{- define "resize-operator.selectorLabels" -}}
app.kubernetes.io/name: resize-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "resize-operator.labels" -}}
{{ include "resize-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Name of what is outside the release's own namespace: release and namespace together are unique in a cluster. */ -}}
{{- define "resize-operator.clusterName" -}}
{{ printf "resize-operator:%s:%s" .Release.Namespace (include "resize-operator.name" .) }}
{{- end }}

{{- /* The chart's labels and those of the user, which cannot replace the chart's. Takes the context and the user's labels. */ -}}
{{- define "resize-operator.allLabels" -}}
{{- $own := include "resize-operator.labels" (index . 0) | fromYaml }}
{{- toYaml (merge $own (deepCopy (index . 1))) }}
{{- end }}

{{- define "resize-operator.image" -}}
{{ .image.repository }}:{{ .image.tag | default .version }}
{{- end }}

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

{{- define "resize-operator.image" -}}
{{ .image.repository }}:{{ .image.tag | default .version }}
{{- end }}

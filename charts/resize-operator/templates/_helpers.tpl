{{- /* What the labels of objects and pods say: the name of the chart, or of its alias in a parent chart. */ -}}
{{- define "resize-operator.appName" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Name of the release's objects. In a parent chart the release's name alone would be the parent's. */ -}}
{{- define "resize-operator.name" -}}
{{- $app := include "resize-operator.appName" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if or (contains $app .Release.Name) (and .Chart.IsRoot (not .Values.nameOverride)) -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $app | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- /* That name and a word, within 63 characters. Takes the context and the word. */ -}}
{{- define "resize-operator.nameWith" -}}
{{- $room := sub 62 (len (index . 1)) | int -}}
{{ include "resize-operator.name" (index . 0) | trunc $room | trimSuffix "-" }}-{{ index . 1 }}
{{- end }}

{{- define "resize-operator.serviceAccountName" -}}
{{- if ne (toString .Values.serviceAccount.create) "false" -}}
{{ .Values.serviceAccount.name | default (include "resize-operator.name" .) }}
{{- else -}}
{{ required "serviceAccount.name: want the name of the ServiceAccount that is there, because serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "resize-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "resize-operator.appName" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* Labels of an object: the chart's, more of the user for this object, commonLabels; the former cannot be replaced. Takes the context and the user's labels. */ -}}
{{- define "resize-operator.allLabels" -}}
{{- $context := index . 0 }}
{{- $own := include "resize-operator.selectorLabels" $context | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/version" $context.Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" $context.Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $context.Chart.Name $context.Chart.Version | replace "+" "_") }}
{{- toYaml (merge $own (index . 1 | default dict | deepCopy) ($context.Values.commonLabels | default dict | deepCopy)) }}
{{- end }}

{{- define "resize-operator.labels" -}}
{{- include "resize-operator.allLabels" (list . dict) }}
{{- end }}

{{- /* Name of what is outside the release's own namespace: release and namespace together are unique in a cluster. */ -}}
{{- define "resize-operator.clusterName" -}}
{{ printf "resize-operator:%s:%s" .Release.Namespace (include "resize-operator.name" .) }}
{{- end }}

{{- /* Reference of an image. Takes the context and the path of its values. */ -}}
{{- define "resize-operator.image" -}}
{{- $context := index . 0 }}
{{- $path := index . 1 }}
{{- $image := eq $path "image" | ternary $context.Values.image $context.Values.resizer.image }}
{{- $repository := required (printf "%s.repository: want the image's name without tag, such as registry.example.com/resize-operator" $path) $image.repository }}
{{- with ($context.Values.global).imageRegistry }}
{{- /* it takes the place of the registry in the repository, as Docker tells that from a folder */ -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") }}
{{- end }}
{{- if $image.digest }}
{{- $repository }}{{ with $image.tag }}:{{ . }}{{ end }}@{{ $image.digest }}
{{- else }}
{{- $repository }}:{{ $image.tag | default $context.Chart.AppVersion }}
{{- end }}
{{- end }}

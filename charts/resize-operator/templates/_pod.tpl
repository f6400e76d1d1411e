{{- /* What the operator's pods and the one of `helm test` share. */ -}}

{{- define "resize-operator.podSpec" -}}
serviceAccountName: {{ include "resize-operator.serviceAccountName" . | quote }}
enableServiceLinks: false
{{- with include "resize-operator.podSecurityContext" . }}
securityContext: {{- . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- if or (.Values.caBundle).configMap (.Values.caBundle).secret .Values.extraVolumes }}
volumes:
  {{- with .Values.caBundle }}
  {{- $key := .key | default "ca.crt" }}
  {{- if and .configMap .secret }}
  {{- fail "caBundle: want a configMap or a secret, not both" }}
  {{- else if .configMap }}
  - name: ca-bundle
    configMap:
      name: {{ .configMap | quote }}
      items: [{ key: {{ $key | quote }}, path: ca.crt }]
  {{- else if .secret }}
  - name: ca-bundle
    secret:
      secretName: {{ .secret | quote }}
      items: [{ key: {{ $key | quote }}, path: ca.crt }]
  {{- end }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "resize-operator.container" -}}
image: {{ include "resize-operator.image" (list . "image") | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy | quote }}
resources: {{- toYaml .Values.resources | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
{{- with include "resize-operator.securityContext" . }}
securityContext: {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* A container that runs the operator. */ -}}
{{- define "resize-operator.operator" -}}
{{ include "resize-operator.container" . }}
env: {{- include "resize-operator.environment" . | nindent 2 }}
ports:
  - name: admin
    containerPort: 9090
{{- if or (.Values.caBundle).configMap (.Values.caBundle).secret .Values.extraVolumeMounts }}
volumeMounts:
  {{- if or (.Values.caBundle).configMap (.Values.caBundle).secret }}
  - name: ca-bundle
    mountPath: /etc/resize-operator/ca
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "resize-operator.environment" -}}
- name: RESIZER_IMAGE
  value: {{ include "resize-operator.image" (list . "resizer.image") | quote }}
- name: RESIZER_IMAGE_PULL_POLICY
  value: {{ .Values.resizer.image.pullPolicy | quote }}
{{- with .Values.resizer.imagePullSecrets }}
{{- $names := list }}
{{- range . }}
{{- $names = append $names .name }}
{{- end }}
- name: RESIZER_IMAGE_PULL_SECRETS
  value: {{ join "," $names | quote }}
{{- end }}
{{- with .Values.s3.region }}
- name: S3_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.s3.endpoint }}
- name: S3_ENDPOINT
  value: {{ . | quote }}
{{- end }}
- name: S3_FORCE_PATH_STYLE
  value: {{ .Values.s3.forcePathStyle | quote }}
{{- with .Values.s3.allowedEndpoints }}
- name: S3_ALLOWED_ENDPOINTS
  value: {{ join "," . | quote }}
{{- end }}
- name: CLAIMS_AMBIENT_CREDENTIALS
  value: {{ .Values.claims.ambientCredentials | quote }}
- name: CLAIMS_PUBLIC_READ
  value: {{ .Values.claims.publicRead | quote }}
- name: VERIFY_PUBLIC_URL
  value: {{ .Values.outbound.verifyPublicUrl | quote }}
- name: OUTBOUND_LOCAL_ADDRESSES
  value: {{ .Values.outbound.localAddresses | quote }}
- name: CLAIMS_POLICY
  value: {{ .Values.claims.policy | quote }}
{{- with .Values.claims.allow }}
- name: CLAIMS_ALLOW
  value: {{ toJson . | quote }}
{{- end }}
{{- with int .Values.cleanup.deadline }}
- name: CLEANUP_DEADLINE_SECONDS
  value: {{ . | quote }}
{{- end }}
- name: ROLLOUT_MAX_CONCURRENT
  value: {{ (.Values.rollout).maxConcurrent | default 5 | quote }}
- name: RESYNC_SECONDS
  value: {{ .Values.resyncSeconds | quote }}
- name: LEASE_NAME
  value: {{ include "resize-operator.name" . | quote }}
{{- with .Values.watchNamespaces }}
- name: WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
- name: LOG_FORMAT
  value: {{ .Values.logFormat | quote }}
- name: LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if or (.Values.caBundle).configMap (.Values.caBundle).secret }}
# the image's own authorities stay trusted
- name: SSL_CERT_FILE
  value: /etc/ssl/certs/ca-certificates.crt
- name: SSL_CERT_DIR
  value: /etc/resize-operator/ca
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /*
With `helm upgrade --reuse-values` the values are those of an older chart, which had these in its templates: then they are absent though
nobody unset them. `enabled` tells, which every chart has since.
*/ -}}
{{- define "resize-operator.podSecurityContext" -}}
{{- if hasKey .Values "enabled" }}
{{- with .Values.podSecurityContext }}{{ toYaml . }}{{ end }}
{{- else -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end }}
{{- end }}

{{- define "resize-operator.securityContext" -}}
{{- if hasKey .Values "enabled" }}
{{- with .Values.securityContext }}{{ toYaml . }}{{ end }}
{{- else -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}
{{- end }}

{{- define "resize-operator.topologySpreadConstraints" -}}
{{- $constraints := .Values.topologySpreadConstraints }}
{{- if not (hasKey .Values "enabled") }}
{{- $zone := dict "maxSkew" 1 "topologyKey" "topology.kubernetes.io/zone" "whenUnsatisfiable" "ScheduleAnyway" }}
{{- $constraints = list $zone (merge (dict "topologyKey" "kubernetes.io/hostname") $zone) }}
{{- end }}
{{- $own := dict "labelSelector" (dict "matchLabels" (include "resize-operator.selectorLabels" . | fromYaml)) }}
{{- range $constraints }}
- {{ hasKey . "labelSelector" | ternary . (merge (deepCopy .) $own) | toYaml | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* The pod of the modes that run something. */}}

{{- define "sse-bridge.podSpec" -}}
serviceAccountName: {{ include "sse-bridge.serviceAccountName" . }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ include "sse-bridge.grace" . }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $own := dict "labelSelector" (dict "matchLabels" (fromYaml (include "sse-bridge.ownLabels" $))) }}
  - {{ merge (deepCopy .) $own | toYaml | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- with include "sse-bridge.initContainers" . }}
initContainers:
  {{- . | nindent 2 }}
{{- end }}
containers:
  {{- if eq .Values.mode "companion" }}
  - {{ include "sse-bridge.application" . | nindent 4 | trim }}
  {{- end }}
  {{- with include "sse-bridge.containers" . }}
  {{- . | nindent 2 }}
  {{- end }}
volumes:
  {{- include "sse-bridge.volumes" . | nindent 2 }}
{{- end -}}

{{- define "sse-bridge.application" -}}
{{- with .Values.companion -}}
name: application
image: {{ printf "%s:%s" .image.repository .image.tag | quote }}
imagePullPolicy: {{ .image.pullPolicy }}
{{- with .command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .args }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - { name: application, containerPort: {{ .port }}, protocol: TCP }
{{- range $probe := list "startupProbe" "readinessProbe" "livenessProbe" }}
{{- with index $.Values.companion $probe }}
{{ $probe }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- if gt (int $.Values.drain.prestop) 0 }}
lifecycle:
  # Requests still come until load balancers have taken note.
  preStop: { sleep: { seconds: {{ $.Values.drain.prestop }} } }
{{- end }}
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .securityContext | nindent 2 }}
{{- $logs := include "sse-bridge.logMounts" $ }}
{{- if or $logs .volumeMounts }}
volumeMounts:
  {{- with $logs }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}
{{- end -}}

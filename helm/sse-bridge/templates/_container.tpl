{{/* The bridge in a pod: its container and its volumes, the same in all modes. */}}

{{- define "sse-bridge.container" -}}
name: sse-bridge
image: {{ include "sse-bridge.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if include "sse-bridge.isNative" . }}
restartPolicy: Always
{{- end }}
command: [sse-bridge]
args: [run, /etc/sse-bridge/routes.yaml]
env:
  - { name: LISTEN, value: {{ printf ":%v" .Values.ports.public | quote }} }
  - { name: HEALTH, value: {{ printf ":%v" .Values.ports.health | quote }} }
  - { name: ADMIN, value: {{ printf "127.0.0.1:%v" .Values.ports.admin | quote }} }
  - { name: DRAIN, value: {{ printf "%vs" .Values.drain.seconds }} }
  - { name: PRESTOP, value: {{ printf "%vs" .Values.drain.prestop }} }
  {{- if .Values.state.enabled }}
  - { name: STATE, value: {{ .Values.state.path | quote }} }
  {{- end }}
  {{- if include "sse-bridge.hasLogs" . }}
  - { name: LOGS, value: {{ .Values.logs.path | quote }} }
  {{- end }}
  {{- if eq .Values.mode "companion" }}
  - { name: UPSTREAM, value: {{ printf "http://127.0.0.1:%v" .Values.companion.port | quote }} }
  {{- end }}
  {{- range $name, $from := .Values.secrets.env }}
  - name: {{ $name }}
    valueFrom: { secretKeyRef: { name: {{ $from.secret | quote }}, key: {{ $from.key | quote }} } }
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - { name: sse, containerPort: {{ .Values.ports.public }}, protocol: TCP }
  - { name: sse-health, containerPort: {{ .Values.ports.health }}, protocol: TCP }
startupProbe:
  httpGet: { path: /-/started, port: sse-health }
  {{- toYaml .Values.probes.startup | nindent 2 }}
readinessProbe:
  httpGet: { path: /-/ready, port: sse-health }
  {{- toYaml .Values.probes.readiness | nindent 2 }}
livenessProbe:
  httpGet: { path: /-/live, port: sse-health }
  {{- toYaml .Values.probes.liveness | nindent 2 }}
lifecycle:
  # A native sidecar gets SIGTERM only after the application has ended; hooks run at once.
  preStop: { exec: { command: [sse-bridge, drain] } }
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  # The whole folder, no `subPath`: so a changed ConfigMap arrives.
  - { name: sse-bridge-routes, mountPath: /etc/sse-bridge, readOnly: true }
  {{- if .Values.secrets.files }}
  # Not /run/secrets itself, where the token of a service account may be mounted.
  - { name: sse-bridge-secrets, mountPath: /run/secrets/sse-bridge, readOnly: true }
  {{- end }}
  {{- if .Values.state.enabled }}
  - { name: sse-bridge-state, mountPath: {{ .Values.state.path | quote }} }
  {{- end }}
  {{- if include "sse-bridge.hasLogs" . }}
  - { name: sse-bridge-logs, mountPath: {{ .Values.logs.path | quote }}, readOnly: true }
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "sse-bridge.isNative" -}}
{{- if and (ne .Values.mode "gateway") .Values.sidecar.native -}}true{{- end -}}
{{- end -}}

{{- define "sse-bridge.hasLogs" -}}
{{- if and (ne .Values.mode "gateway") .Values.logs.enabled -}}true{{- end -}}
{{- end -}}

{{- define "sse-bridge.podVolumes" -}}
- name: sse-bridge-routes
  configMap: { name: {{ include "sse-bridge.configMapName" . }} }
{{- with .Values.secrets.files }}
- name: sse-bridge-secrets
  projected:
    sources:
      {{- range $name, $from := . }}
      - secret:
          name: {{ $from.secret | quote }}
          items: [{ key: {{ $from.key | quote }}, path: {{ $name | quote }} }]
      {{- end }}
{{- end }}
{{- if .Values.state.enabled }}
{{- if .Values.state.existingClaim }}
- name: sse-bridge-state
  persistentVolumeClaim: { claimName: {{ .Values.state.existingClaim | quote }} }
{{- else if eq .Values.mode "sidecar" }}
- name: sse-bridge-state
  emptyDir: { sizeLimit: {{ .Values.state.size | quote }} }
{{- end }}
{{- end }}
{{- if include "sse-bridge.hasLogs" . }}
- name: sse-bridge-logs
  emptyDir: { sizeLimit: {{ .Values.logs.sizeLimit | quote }} }
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Where the application writes its logs. */}}
{{- define "sse-bridge.logMounts" -}}
{{- if include "sse-bridge.hasLogs" . -}}
- { name: sse-bridge-logs, mountPath: {{ .Values.logs.path | quote }} }
{{- end -}}
{{- end -}}

{{- define "sse-bridge.annotations" -}}
{{- if .Values.reload.restart -}}
sse-bridge/routes: {{ include "sse-bridge.routes" . | sha256sum }}
{{- end -}}
{{- end -}}

{{/* Names and labels. */}}

{{- define "sse-bridge.fullname" -}}
{{- $chart := .Values.nameOverride | default "sse-bridge" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains $chart .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $chart | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Yours, but for those that select pods; and where you say nothing, ours. */}}
{{- define "sse-bridge.yourLabels" -}}
{{- toYaml (omit (merge dict .Values.labels) "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component") -}}
{{- end -}}

{{- define "sse-bridge.commonLabels" -}}
{{- $ours := dict
  "helm.sh/chart" (printf "sse-bridge-%s" .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" (.Values.image.tag | default .Chart.AppVersion | replace "+" "_" | trunc 63)
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "sse-bridge"
-}}
{{- toYaml (merge (fromYaml (include "sse-bridge.yourLabels" .)) $ours) -}}
{{- end -}}

{{- define "sse-bridge.ownLabels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default "sse-bridge" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: bridge
{{- end -}}

{{/* The pods that have the bridge: ours, or those of the chart that includes it. */}}
{{- define "sse-bridge.selector" -}}
{{- if eq .Values.mode "sidecar" -}}
{{ toYaml .Values.sidecar.selector }}
{{- else -}}
{{ include "sse-bridge.ownLabels" . }}
{{- end -}}
{{- end -}}

{{- define "sse-bridge.labels" -}}
{{ include "sse-bridge.ownLabels" . }}
{{ include "sse-bridge.commonLabels" . }}
{{- end -}}

{{/* What answers while no pod does (see later.yaml). */}}
{{- define "sse-bridge.laterSelector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default "sse-bridge" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: later
{{- end -}}

{{- define "sse-bridge.laterLabels" -}}
{{ include "sse-bridge.laterSelector" . }}
{{ include "sse-bridge.commonLabels" . }}
{{- end -}}

{{- define "sse-bridge.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "sse-bridge.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "sse-bridge.configMapName" -}}
{{- .Values.existingConfigMap | default (printf "%s-routes" (include "sse-bridge.fullname" .)) -}}
{{- end -}}

{{- define "sse-bridge.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository $tag -}}
{{- end -}}
{{- end -}}

{{/* A StatefulSet gives each pod a claim of its own; one claim that is there already serves one process. */}}
{{- define "sse-bridge.kind" -}}
{{- if and .Values.state.enabled (not .Values.state.existingClaim) -}}StatefulSet{{- else -}}Deployment{{- end -}}
{{- end -}}

{{/* preStop or SIGTERM, whichever comes first, starts both waits; then the process has five seconds to end. */}}
{{- define "sse-bridge.grace" -}}
{{- add .Values.drain.prestop .Values.drain.seconds 5 -}}
{{- end -}}

{{- define "sse-bridge.hasService" -}}
{{- if or (ne .Values.mode "sidecar") .Values.sidecar.selector -}}true{{- end -}}
{{- end -}}

{{/* Whether a service of its own answers while no pod does. */}}
{{- define "sse-bridge.hasLater" -}}
{{- with .Values.ingress -}}
{{- if and .enabled .later.enabled (or (eq .preset "traefik") (and (eq .preset "nginx") (not .nginx.snippets))) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sse-bridge.testLabels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default "sse-bridge" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end -}}

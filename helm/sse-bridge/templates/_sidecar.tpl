{{/*
What a chart of yours includes, with its own context:

  initContainers:
    {{- include "sse-bridge.initContainers" . | nindent 4 }}
  containers:
    - name: application
      volumeMounts:
        {{- include "sse-bridge.applicationMounts" . | nindent 8 }}
    {{- include "sse-bridge.containers" . | nindent 4 }}
  volumes:
    {{- include "sse-bridge.volumes" . | nindent 4 }}

Each gives the items of a list, or nothing.
*/}}

{{- define "sse-bridge.initContainers" -}}
{{- include "sse-bridge.within" (list . "sse-bridge.nativeItems") -}}
{{- end -}}

{{- define "sse-bridge.containers" -}}
{{- include "sse-bridge.within" (list . "sse-bridge.plainItems") -}}
{{- end -}}

{{- define "sse-bridge.volumes" -}}
{{- include "sse-bridge.within" (list . "sse-bridge.podVolumes") -}}
{{- end -}}

{{/* For the container that writes the logs. */}}
{{- define "sse-bridge.applicationMounts" -}}
{{- include "sse-bridge.within" (list . "sse-bridge.logMounts") -}}
{{- end -}}

{{/* For the pod: with `fsGroup` the folder of logs hands its group on, and a log of mode 0640 can be read. */}}
{{- define "sse-bridge.podSecurityContext" -}}
{{- include "sse-bridge.within" (list . "sse-bridge.securityOfPod") -}}
{{- end -}}

{{/* For the pod: what the drain takes. */}}
{{- define "sse-bridge.terminationGracePeriodSeconds" -}}
{{- include "sse-bridge.within" (list . "sse-bridge.grace") -}}
{{- end -}}

{{/* For the pod template: changes with the routes where `reload.restart` is true; else nothing. */}}
{{- define "sse-bridge.podAnnotations" -}}
{{- include "sse-bridge.within" (list . "sse-bridge.annotations") -}}
{{- end -}}

{{- define "sse-bridge.nativeItems" -}}
{{- if include "sse-bridge.isNative" . -}}
- {{ include "sse-bridge.container" . | nindent 2 | trim }}
{{- end -}}
{{- end -}}

{{- define "sse-bridge.plainItems" -}}
{{- if not (include "sse-bridge.isNative" .) -}}
- {{ include "sse-bridge.container" . | nindent 2 | trim }}
{{- end -}}
{{- end -}}

{{- define "sse-bridge.securityOfPod" -}}
{{ toYaml .Values.podSecurityContext }}
{{- end -}}

{{/* Include a template with the context of this chart, which in a chart of yours is one of its dependencies. */}}
{{- define "sse-bridge.within" -}}
{{- $root := index . 0 -}}
{{- $scopes := list -}}
{{- if eq (index $root.Chart.Annotations "chart") "sse-bridge" -}}
{{- $scopes = list $root -}}
{{- else -}}
{{- range $root.Subcharts -}}
{{- if eq (index .Chart.Annotations "chart") "sse-bridge" }}{{ $scopes = append $scopes . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if not $scopes -}}
{{- fail "sse-bridge is no dependency of this chart, or a condition switches it off, which takes its templates away: leave it on, with `mode: sidecar`" -}}
{{- end -}}
{{- if gt (len $scopes) 1 -}}
{{- fail "sse-bridge is more than one dependency of this chart: say which, for example (index .Subcharts \"sse-bridge\") instead of `.`" -}}
{{- end -}}
{{- include (index . 1) (first $scopes) -}}
{{- end -}}

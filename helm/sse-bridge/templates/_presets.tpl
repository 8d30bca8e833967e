{{/* What each controller is told, in its own words. */}}

{{/* A part of a proxy's configuration, as files/proxies has it, without its comments. */}}
{{- define "sse-bridge.proxyPart" -}}
{{- $root := index . 0 -}}
{{- $later := $root.Values.ingress.later -}}
{{- $text := $root.Files.Get (printf "files/proxies/%s" (index . 1)) -}}
{{- $text = $text | replace "@SECONDS@" (toString $later.seconds) -}}
{{- /* HAProxy wants at least one; no browser sends this one. */ -}}
{{- $text = $text | replace "@ORIGINS@" ($later.origins | join " " | default "none") -}}
{{- range splitList "\n" $text -}}
{{- if and (trim .) (not (hasPrefix "#" (trim .))) }}
{{ . }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sse-bridge.ingressAnnotations" -}}
{{- $ingress := .Values.ingress -}}
{{- if eq $ingress.preset "nginx" }}
nginx.ingress.kubernetes.io/proxy-buffering: "off"
nginx.ingress.kubernetes.io/proxy-request-buffering: "off"
nginx.ingress.kubernetes.io/proxy-body-size: "0"
nginx.ingress.kubernetes.io/proxy-http-version: "1.1"
nginx.ingress.kubernetes.io/proxy-read-timeout: {{ $ingress.timeout | quote }}
nginx.ingress.kubernetes.io/proxy-send-timeout: {{ $ingress.timeout | quote }}
nginx.ingress.kubernetes.io/proxy-connect-timeout: "2"
nginx.ingress.kubernetes.io/proxy-next-upstream: error timeout
nginx.ingress.kubernetes.io/proxy-next-upstream-timeout: "10"
{{- if and $ingress.later.enabled $ingress.nginx.snippets }}
nginx.ingress.kubernetes.io/configuration-snippet: |
  {{- include "sse-bridge.proxyPart" (list . "nginx-errors.conf") | trim | nindent 2 }}
nginx.ingress.kubernetes.io/server-snippet: |
  {{- include "sse-bridge.proxyPart" (list . "nginx-later.conf") | trim | nindent 2 }}
{{- else if $ingress.later.enabled }}
nginx.ingress.kubernetes.io/custom-http-errors: "502,503,504"
nginx.ingress.kubernetes.io/default-backend: {{ include "sse-bridge.fullname" . }}-later
{{- end }}
{{- else if eq $ingress.preset "haproxy" }}
haproxy.org/load-balance: leastconn
{{- /* As annotations two of the time-outs are for all Ingresses or none. */}}
haproxy.org/backend-config-snippet: |
  timeout connect 2s
  timeout server {{ $ingress.timeout }}s
  timeout tunnel {{ $ingress.timeout }}s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
  http-request disable-l7-retry unless METH_GET
  {{- if $ingress.later.enabled }}
  {{- regexReplaceAll "(?m)^ +" (include "sse-bridge.proxyPart" (list . "haproxy-later.cfg")) "" | trim | nindent 2 }}
  {{- end }}
{{- else if eq $ingress.preset "alb" }}
alb.ingress.kubernetes.io/scheme: {{ $ingress.alb.scheme }}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds={{ $ingress.timeout }}
alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds={{ include "sse-bridge.grace" . }},load_balancing.algorithm.type=least_outstanding_requests
alb.ingress.kubernetes.io/healthcheck-port: {{ .Values.ports.health | quote }}
alb.ingress.kubernetes.io/healthcheck-path: /-/ready
alb.ingress.kubernetes.io/healthcheck-interval-seconds: "5"
alb.ingress.kubernetes.io/healthcheck-timeout-seconds: "3"
alb.ingress.kubernetes.io/healthy-threshold-count: "2"
alb.ingress.kubernetes.io/unhealthy-threshold-count: "2"
{{- end }}
{{- end -}}

{{/* Traefik's words for host and path. */}}
{{- define "sse-bridge.traefikRule" -}}
{{- $rules := list (printf "PathPrefix(`%s`)" .Values.ingress.path) -}}
{{- $hosts := list -}}
{{- range .Values.ingress.hosts -}}
{{- if hasPrefix "*." . -}}
{{- $hosts = append $hosts (printf "HostRegexp(`^[^.]+%s$`)" (regexQuoteMeta (trimPrefix "*" .))) -}}
{{- else -}}
{{- $hosts = append $hosts (printf "Host(`%s`)" .) -}}
{{- end -}}
{{- end -}}
{{- with $hosts }}{{ $rules = prepend $rules (printf "(%s)" (join " || " .)) }}{{ end -}}
{{- join " && " $rules -}}
{{- end -}}

{{/* A request of a stream of ours, as Envoy filters it. */}}
{{- define "sse-bridge.envoyFilters" -}}
- status_code_filter:
    comparison: { op: GE, value: { default_value: 502, runtime_key: sse_bridge_later_from } }
- status_code_filter:
    comparison: { op: LE, value: { default_value: 504, runtime_key: sse_bridge_later_to } }
- header_filter:
    header: { name: accept, string_match: { contains: text/event-stream } }
- header_filter:
    header: { name: ":method", string_match: { safe_regex: { regex: GET|HEAD } } }
- header_filter:
    header: { name: ":path", string_match: { prefix: {{ .Values.ingress.path | quote }} } }
{{- $hosts := list -}}
{{- range .Values.ingress.hosts }}{{ $hosts = append $hosts (regexQuoteMeta . | replace "\\*" "[^.:]+") }}{{ end }}
{{- with $hosts }}
- header_filter:
    header: { name: ":authority", string_match: { safe_regex: { regex: {{ printf "(?i)(%s)(:[0-9]+)?" (join "|" .) | squote }} } } }
{{- end }}
{{- end -}}

{{/*
200 and `retry`; the thousandths of the moment spread those who come back. Envoy gives one line end and no more, with
which the line is whole: `retry` counts from there, without a blank line.
*/}}
{{- define "sse-bridge.envoyAnswer" -}}
status_code: 200
body_format_override:
  content_type: text/event-stream
  text_format_source: { inline_string: "retry: {{ .Values.ingress.later.seconds }}%START_TIME(%3f)%\n" }
{{- end -}}

{{/* What works, and may still surprise. */}}

{{- define "sse-bridge.warnings" -}}
{{- $ingress := .Values.ingress -}}
{{- if $ingress.enabled }}
{{- if eq $ingress.preset "none" }}
- The Ingress has no preset: see to it that the controller buffers nothing, cuts no silent stream before a heartbeat comes, and gives streams 200 with `retry` instead of 502, 503 and 504.
{{- else if not $ingress.later.enabled }}
- `ingress.later` is off: a 502 or 503 of the controller ends every EventSource that meets it, for good.
{{- else if has $ingress.preset (list "alb" "httproute") }}
- `{{ $ingress.preset }}` cannot answer streams with 200 while no pod does: its 502, 503 and 504 end an EventSource for good. So pods are replaced one up, one down, and `drain.prestop` ({{ .Values.drain.prestop }} s) must be longer than the load balancer takes to note that a pod goes.
{{- if and (eq $ingress.preset "alb") (lt (int .Values.drain.prestop) 15) }} An ALB takes 10 to 15 s.{{ end }}
{{- end }}
{{- if and (eq $ingress.preset "nginx") $ingress.nginx.snippets }}
- ingress-nginx refuses the Ingress unless it allows snippets (`allow-snippet-annotations: true`, `annotations-risk-level: Critical`). Of several Ingresses with one host it takes one `server-snippet`.
{{- else if and (eq $ingress.preset "nginx") $ingress.later.enabled (eq .Values.mode "companion") }}
- ingress-nginx replaces the application's own 502, 503 and 504 as well; only their status stays.
{{- end }}
{{- if and (eq $ingress.preset "istio") $ingress.later.enabled }}
- The EnvoyFilter is in `{{ $ingress.istio.namespace }}`, with the gateway; whoever installs this must be allowed to write there.{{ if not $ingress.hosts }} Without `ingress.hosts` it answers for the streams of every host of that gateway.{{ end }}
{{- end }}
{{- if and (has $ingress.preset (list "alb" "httproute")) (or .Values.state.enabled (ne (toString .Values.rollout.unavailable) "0")) }}
- While pods are replaced there may be none that is ready{{ if .Values.state.enabled }} (`state.enabled`: an old one goes first){{ else }} (`rollout.unavailable`){{ end }}: behind `{{ $ingress.preset }}` open pages are lost then.
{{- end }}
{{- if and (eq $ingress.preset "alb") .Values.networkPolicy.enabled }}
- An ALB asks for health from its own addresses: `networkPolicy.health` must let them.
{{- end }}
{{- end }}
{{- if and .Values.state.enabled (ne .Values.mode "sidecar") (not $ingress.enabled) (eq (int .Values.replicas) 1) (not .Values.autoscaling.enabled) }}
- With `state.enabled` and one replica there is a moment without any pod at each update: whatever is in front must answer streams with 200 and `retry` (see `ingress.preset`).
{{- end }}
{{- if and .Values.autoscaling.enabled .Values.autoscaling.streams }}
- `autoscaling.streams` needs an adapter that offers `sse_bridge_streams` as a metric of pods.
{{- end }}
{{- if and (eq .Values.mode "sidecar") (or .Values.sidecar.native .Values.drain.prestop) }}
- Give your pods `terminationGracePeriodSeconds: {{ include "sse-bridge.grace" . }}`, and your container `lifecycle: { preStop: { sleep: { seconds: {{ .Values.drain.prestop }} } } }`: requests still come until load balancers have taken note.
{{- end }}
{{- if and (eq .Values.mode "sidecar") .Values.networkPolicy.enabled }}
- The NetworkPolicy is one of the whole pod: your container's own ports are closed unless a policy of yours opens them.
{{- end }}
{{- if kindIs "string" .Values.routes }}
{{- $server := (fromYaml .Values.routes).server | default dict }}
{{- if not (or (contains "${" (toString $server.drain)) (eq (toString $server.drain) (printf "%vs" .Values.drain.seconds))) }}
- `server.drain` of your routes says {{ $server.drain | default "nothing (10s)" }}, `drain.seconds` {{ .Values.drain.seconds }}: write `drain: ${DRAIN}` and `prestop: ${PRESTOP}`, so that the grace period is enough.
{{- end }}
{{- end }}
{{- end -}}

{{/* routes.yaml, as the bridge gets it. */}}

{{- define "sse-bridge.routes" -}}
{{- if kindIs "string" .Values.routes -}}
{{- include "sse-bridge.agrees" (list . (fromYaml .Values.routes)) -}}
{{ .Values.routes | trim }}
{{- else -}}
{{- $document := deepCopy (.Values.routes | default (fromYaml (.Files.Get "files/routes.yaml"))) -}}
{{- $server := merge ($document.server | default dict) (fromYaml (include "sse-bridge.server" .)) -}}
{{- $document = set $document "server" $server -}}
{{- include "sse-bridge.agrees" (list . $document) -}}
{{ toYaml $document }}
{{- end -}}
{{- end -}}

{{/* What a mapping need not say. */}}
{{- define "sse-bridge.server" -}}
listen: {{ printf ":%v" .Values.ports.public | quote }}
health: {{ printf ":%v" .Values.ports.health | quote }}
admin: {{ printf "127.0.0.1:%v" .Values.ports.admin | quote }}
drain: {{ .Values.drain.seconds }}s
prestop: {{ .Values.drain.prestop }}s
{{- if .Values.state.enabled }}
state: {{ .Values.state.path }}
{{- end }}
{{- if and .Values.ingress.enabled (ne .Values.ingress.path "/") }}
base: {{ .Values.ingress.path | quote }}
{{- end }}
{{- if eq .Values.mode "companion" }}
upstream: {{ printf "http://127.0.0.1:%v" .Values.companion.port | quote }}
{{- end }}
{{- end -}}

{{/* A file that listens elsewhere, or on loopback, gives pods that nobody reaches; a text that is no YAML is the bridge's to refuse. */}}
{{- define "sse-bridge.agrees" -}}
{{- $root := index . 0 -}}
{{- $document := index . 1 -}}
{{- if not (hasKey $document "Error") -}}
{{- $server := $document.server | default dict -}}
{{- range $key, $name := dict "listen" "public" "health" "health" -}}
{{- $port := index $root.Values.ports $name -}}
{{- $said := index $server $key | default list -}}
{{- $found := false -}}
{{- range (kindIs "slice" $said | ternary $said (list $said)) -}}
{{- $reached := and (hasSuffix (printf ":%v" $port) (toString .)) (not (regexMatch `^(127\.|localhost:|\[::1\])` (toString .))) -}}
{{- if or $reached (contains "${" (toString .)) }}{{ $found = true }}{{ end -}}
{{- end -}}
{{- if not $found -}}
{{- fail (printf "routes: `server.%s` must be on port %v (ports.%s) of all addresses, where the pod is asked: write `%s: ${%s}`" $key $port $name $key (upper $key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The first route without names in its path, of what is given here. */}}
{{- define "sse-bridge.testPath" -}}
{{- if .Values.test.path -}}
{{- .Values.test.path -}}
{{- else if not .Values.existingConfigMap -}}
{{- $document := fromYaml (include "sse-bridge.routes" .) -}}
{{- $base := trimSuffix "/" (toString (dig "server" "base" "" $document)) -}}
{{- $paths := list -}}
{{- range $path, $route := $document.routes | default dict -}}
{{- if not (or (contains "{" $path) (and (kindIs "map" $route) (hasKey $route "gone"))) }}{{ $paths = append $paths $path }}{{ end -}}
{{- end -}}
{{- if $paths }}{{ printf "%s%s" $base (first (sortAlpha $paths)) }}{{ end -}}
{{- end -}}
{{- end -}}

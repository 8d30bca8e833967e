{{/* What the schema cannot see: values that are right by themselves and wrong together. */}}

{{- define "sse-bridge.check" -}}
{{- with .Values -}}
{{- if and .routes .existingConfigMap -}}
{{- fail "routes and existingConfigMap: give one of them" -}}
{{- end -}}
{{- if and .reload.restart .existingConfigMap -}}
{{- fail "reload.restart: the chart does not see what is in existingConfigMap; restart the pods yourself (kubectl rollout restart), or leave it to the bridge" -}}
{{- end -}}
{{- if and (eq .mode "companion") (not .companion.image.repository) -}}
{{- fail "companion.image.repository: mode companion needs the application's image" -}}
{{- end -}}
{{- if and .state.enabled .state.existingClaim (ne .mode "sidecar") (or .autoscaling.enabled (gt (int .replicas) 1)) -}}
{{- fail "state.existingClaim: one folder is for one process: leave it out, and each pod gets a claim of its own" -}}
{{- end -}}
{{- if and (ne .mode "companion") .companion.image.repository -}}
{{- fail (printf "companion.image: an application is started in mode companion alone, and this is %s" .mode) -}}
{{- end -}}
{{- if and (ne .mode "sidecar") .sidecar.selector -}}
{{- fail (printf "sidecar.selector: whose pods? In mode %s they are the chart's own" .mode) -}}
{{- end -}}
{{- if and (eq .mode "gateway") .logs.enabled -}}
{{- fail "logs.enabled: in mode gateway nobody is there to write them; mount a folder with extraVolumes and extraVolumeMounts" -}}
{{- end -}}
{{- if and (eq .mode "sidecar") .autoscaling.enabled -}}
{{- fail "autoscaling.enabled: the pods are your chart's, and so is their number" -}}
{{- end -}}
{{- if and (has "*" .ingress.later.origins) (gt (len .ingress.later.origins) 1) -}}
{{- fail "ingress.later.origins: `*` stands alone, since it means all of them" -}}
{{- end -}}
{{- if and (has (toString .rollout.surge) (list "0" "0%")) (has (toString .rollout.unavailable) (list "0" "0%")) -}}
{{- fail "rollout: with surge and unavailable both 0 no pod could ever be replaced" -}}
{{- end -}}
{{- if and .autoscaling.enabled (gt (int .autoscaling.min) (int .autoscaling.max)) -}}
{{- fail "autoscaling: min is more than max" -}}
{{- end -}}
{{- if ne 3 (len (uniq (list .ports.public .ports.health .ports.admin))) -}}
{{- fail "ports: public, health and admin must be three" -}}
{{- end -}}
{{- if and (eq .mode "companion") (has .companion.port (list .ports.public .ports.health .ports.admin)) -}}
{{- fail (printf "companion.port: %v is the bridge's, and the application is in the same pod; ports has the bridge's" .companion.port) -}}
{{- end -}}
{{- if and (eq .mode "sidecar") (not .sidecar.selector) (or .ingress.enabled .networkPolicy.enabled .metrics.serviceMonitor.enabled) -}}
{{- fail "sidecar.selector: an Ingress, a NetworkPolicy and a ServiceMonitor need the labels of your pods" -}}
{{- end -}}
{{- if and .autoscaling.enabled (not .autoscaling.cpu) (not .autoscaling.streams) -}}
{{- fail "autoscaling: `cpu` and `streams` are both 0; one of them must say when to scale" -}}
{{- end -}}
{{- if and .autoscaling.enabled .autoscaling.cpu (not (dig "requests" "cpu" "" .resources)) -}}
{{- fail "autoscaling.cpu is a share of resources.requests.cpu, which is not given" -}}
{{- end -}}
{{- if and .ingress.enabled (eq .ingress.preset "httproute") (not .ingress.httproute.parents) -}}
{{- fail "ingress.httproute.parents: which gateways? for example [{ name: public, namespace: gateways }]" -}}
{{- end -}}
{{- if and .ingress.enabled (eq .ingress.preset "istio") (not .ingress.istio.gateways) -}}
{{- fail "ingress.istio.gateways: which gateways? for example [istio-system/public]" -}}
{{- end -}}
{{- end -}}
{{- end -}}

"""The chart's pod, run by podman as the chart renders it.

podman is no kubelet: it knows no native sidecars (so the bridge is a plain container here), neither `fsGroup` nor
preStop hooks nor rolling updates, and it never changes a ConfigMap that is mounted.
"""

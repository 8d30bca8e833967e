"""What deploys it beside the chart: the Compose file and the unit of systemd."""

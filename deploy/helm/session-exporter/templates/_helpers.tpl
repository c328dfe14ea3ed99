{{- /* At most 52 characters: Kubernetes appends a hash or the number of a shard, and limits labels to 63. */}}
{{- define "session-exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" (.Release.Name | trunc 35 | trimSuffix "-") .Chart.Name }}
{{- end }}
{{- end }}

{{- define "session-exporter.serviceAccountName" -}}
{{- default (ternary (include "session-exporter.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "session-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "session-exporter.podLabels" -}}
{{ include "session-exporter.selectorLabels" . }}
app.kubernetes.io/component: exporter
app.kubernetes.io/part-of: session-exporter
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "session-exporter.labels" -}}
{{ include "session-exporter.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "session-exporter.hasConfigMap" -}}
{{- if or .Values.config.inline .Values.config.files }}true{{ end }}
{{- end }}

{{- define "session-exporter.image" -}}
{{- $image := printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- if .Values.image.digest }}{{ printf "%s@%s" $image .Values.image.digest }}{{ else }}{{ $image }}{{ end }}
{{- end }}

{{- /* The base of links to the exporter, where {instance} stands for the label instance. */}}
{{- define "session-exporter.externalURL" -}}
{{- default (ternary "https://{instance}" "http://{instance}" .Values.web.tls) .Values.externalURL | trimSuffix "/" }}
{{- end }}

{{- /* Checks what the schema cannot express. */}}
{{- define "session-exporter.check" -}}
{{- if not (or .Values.config.inline .Values.config.existingConfigMaps) }}
{{- fail "no configuration: set config.inline or config.existingConfigMaps" }}
{{- end }}
{{- if and .Values.web.tls (not .Values.web.existingSecrets) }}
{{- fail "web.tls is true, but web.existingSecrets is empty: list the Secret that has web.yml, with tls_server_config" }}
{{- end }}
{{- $paths := dict "/etc/session_exporter" true "/etc/web" true }}
{{- range .Values.existingSecrets }}
{{- $path := default (printf "/etc/secrets/%s" .name) .mountPath }}
{{- if hasKey $paths $path }}
{{- fail (printf "existingSecrets: %s is mounted at %s, which is taken" .name $path) }}
{{- end }}
{{- $_ := set $paths $path true }}
{{- end }}
{{- /* Helm would start the new workload before it deletes the old one, even if it fails to change the Service. */}}
{{- $sharded := gt (int .Values.shards) 1 }}
{{- $name := include "session-exporter.fullname" . }}
{{- $kind := ternary "Deployment" "StatefulSet" $sharded }}
{{- $service := lookup "v1" "Service" .Release.Namespace $name }}
{{- if or (lookup "apps/v1" $kind .Release.Namespace $name) (and $service (ne $sharded (eq $service.spec.clusterIP "None"))) }}
{{- fail (printf "delete the %s and the Service %s first, or two exporters watch the same endpoints: see Shards in the chart's README" $kind $name) }}
{{- end }}
{{- end }}

{{- /* For each alert with a threshold: the name of its value, its text in the shipped expression, and the replacement. */}}
{{- define "session-exporter.thresholds" -}}
SessionCredentialExpiringSoon: {value: credentialExpiryDays, shipped: "< 7 * 86400", with: "< %v * 86400"}
SessionCredentialExpiringVerySoon: {value: credentialExpiryCriticalDays, shipped: "< 1 * 86400", with: "< %v * 86400"}
SessionCertificateExpiringSoon: {value: certificateExpiryDays, shipped: "< 14 * 86400", with: "< %v * 86400"}
SessionSlow: {value: slowSeconds, shipped: "> 3", with: "> %v"}
SessionClockSkew: {value: clockSkewSeconds, shipped: "> 60", with: "> %v"}
SessionProbesStale: {value: staleSeconds, shipped: "> 300", with: "> %v"}
SessionFlapping: {value: flappingChanges, shipped: "> 5", with: "> %v"}
SessionLeak: {value: leakedSessions, shipped: "> 5", with: "> %v"}
SessionValidityBurnRateFast: {value: errorBudget, shipped: "0.01", with: "%v"}
SessionValidityBurnRateSlow: {value: errorBudget, shipped: "0.01", with: "%v"}
{{- end }}

{{- /* The shipped rules, with the thresholds and overrides of the values. */}}
{{- define "session-exporter.rules" -}}
{{- $values := .Values.prometheusRule }}
{{- $thresholds := include "session-exporter.thresholds" . | fromYaml }}
{{- $base := include "session-exporter.externalURL" . | replace "{instance}" `{{ $labels.instance }}` }}
{{- $hours := printf "%v hours" (mulf 720 $values.thresholds.errorBudget) }}
{{- $names := list }}
{{- $groups := list }}
{{- range $file, $_ := .Files.Glob "files/rules/*.yml" }}
  {{- $text := $.Files.Get $file | replace `http://{{ $labels.instance }}` $base | replace "7.2 hours" $hours }}
  {{- range $group := ($text | fromYaml).groups }}
    {{- $rules := list }}
    {{- range $rule := $group.rules }}
      {{- $name := default "" $rule.alert }}
      {{- $names = append $names $name }}
      {{- with get $thresholds $name }}
        {{- if not (contains .shipped $rule.expr) }}{{ fail (printf "the rule %s has no %q" $name .shipped) }}{{ end }}
        {{- $_ := set $rule "expr" ($rule.expr | replace .shipped (printf .with (get $values.thresholds .value))) }}
      {{- end }}
      {{- $rule = mergeOverwrite $rule (default dict (get $values.overrides $name)) }}
      {{- if not (has $name $values.disabled) }}{{ $rules = append $rules $rule }}{{ end }}
    {{- end }}
    {{- if $rules }}{{ $groups = append $groups (set $group "rules" $rules) }}{{ end }}
  {{- end }}
{{- end }}
{{- range concat (keys $values.overrides) $values.disabled }}
  {{- if not (has . $names) }}{{ fail (printf "prometheusRule: there is no alert %q" .) }}{{ end }}
{{- end }}
{{- toYaml $groups }}
{{- end }}

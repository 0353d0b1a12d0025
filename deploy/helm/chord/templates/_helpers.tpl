{{- define "chord.name" -}}
{{- $name := contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "chord.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "chord.labels" -}}
{{ include "chord.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "chord.metadata" -}}
name: {{ include "chord.name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "chord.labels" . | nindent 2 }}
{{- end }}

{{/* Refuses what would not start, with the reason. */}}
{{- define "chord.check" -}}
{{- $known := or .Values.auth.tokensSecret .Values.auth.jwksConfigMap .Values.auth.certificates }}
{{- if and (not .Values.insecure) (not (and .Values.tls.secret $known)) }}
{{- fail "set tls.secret and one of auth.tokensSecret, auth.jwksConfigMap and auth.certificates; or insecure=true, for a network where everyone may do everything" }}
{{- end }}
{{- if and .Values.auth.certificates (not .Values.tls.clientCaSecret) }}{{ fail "auth.certificates needs tls.clientCaSecret" }}{{ end }}
{{- if and .Values.tls.clientCaSecret (not .Values.tls.secret) }}{{ fail "tls.clientCaSecret needs tls.secret" }}{{ end }}
{{- if and (eq .Values.backend "redis") (not (or .Values.redis.url .Values.redis.urlSecret.name)) }}{{ fail "backend redis needs redis.url or redis.urlSecret" }}{{ end }}
{{- end }}

{{/* The config file of the server: what the chart sets, then `settings`. */}}
{{- define "chord.config" -}}
{{- include "chord.check" . }}
{{- $config := dict "listen" "0.0.0.0:50051" "backend" .Values.backend "metricsListen" "0.0.0.0:9464" "metricsInsecure" true "shutdownDelay" .Values.shutdownDelay "shutdownGrace" .Values.shutdownGrace }}
{{- if .Values.insecure }}{{ $_ := set $config "insecure" true }}{{ end }}
{{- if eq .Values.backend "lmdb" }}{{ $_ := set $config "dataDir" "/data" }}
{{- else }}{{ $_ := set $config "redisPrefix" .Values.redis.prefix }}
{{- with .Values.redis.url }}{{ $_ := set $config "redisUrl" . }}{{ end }}
{{- end }}
{{- if .Values.web.enabled }}{{ $_ := set $config "webListen" "0.0.0.0:8080" }}
{{- with .Values.web.origins }}{{ $_ := set $config "webOrigins" (join "," .) }}{{ end }}
{{- end }}
{{- with .Values.tls }}
{{- if .secret }}{{ $_ := set $config "tlsCert" "/etc/chord/tls/tls.crt" }}{{ $_ := set $config "tlsKey" "/etc/chord/tls/tls.key" }}{{ end }}
{{- if .clientCaSecret }}{{ $_ := set $config "tlsClientCa" "/etc/chord/client-ca/ca.crt" }}{{ end }}
{{- end }}
{{- with .Values.auth }}
{{- if .tokensSecret }}{{ $_ := set $config "authTokens" "/etc/chord/tokens/tokens" }}{{ end }}
{{- if .certificates }}{{ $_ := set $config "authCertificates" true }}{{ end }}
{{- if .jwksConfigMap }}{{ $_ := set $config "authJwks" "/etc/chord/jwks/jwks.json" }}{{ end }}
{{- with .jwtIssuer }}{{ $_ := set $config "authJwtIssuer" . }}{{ end }}
{{- with .jwtAudience }}{{ $_ := set $config "authJwtAudience" . }}{{ end }}
{{- if .rules }}{{ $_ := set $config "authRules" "/etc/chord/config/rules.json" }}{{ end }}
{{- end }}
{{- merge (deepCopy .Values.settings) $config | toPrettyJson }}
{{- end }}

{{- define "chord.pod" -}}
metadata:
  labels:
    {{- include "chord.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # A changed setting replaces the pods; rules, tokens and certificates are read while the server serves.
    chord.dev/config: {{ include "chord.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  automountServiceAccountToken: false
  # What Kubernetes would inject for each Service is of no use here.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .Values.backend "redis" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "chord.selector" . | nindent 10 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: chord
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default (printf "v%s" .Chart.AppVersion) }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/chord/config/chord.json]
      env:
        # The image sets these for a plain container; here the config file does.
        - { name: CHORD_LISTEN, value: '0.0.0.0:50051' }
        - { name: CHORD_METRICS_LISTEN, value: '0.0.0.0:9464' }
        {{- if and (eq .Values.backend "redis") .Values.redis.urlSecret.name }}
        - name: CHORD_REDIS_URL
          valueFrom: { secretKeyRef: { name: {{ .Values.redis.urlSecret.name }}, key: {{ .Values.redis.urlSecret.key }} } }
        {{- end }}
      ports:
        - { name: grpc, containerPort: 50051 }
        - { name: metrics, containerPort: 9464 }
        {{- if .Values.web.enabled }}
        - { name: web, containerPort: 8080 }
        {{- end }}
      startupProbe:
        httpGet: { path: /healthz, port: metrics }
        {{- toYaml .Values.probes.startup | nindent 8 }}
      livenessProbe:
        httpGet: { path: /healthz, port: metrics }
        {{- toYaml .Values.probes.liveness | nindent 8 }}
      readinessProbe:
        httpGet: { path: /readyz, port: metrics }
        {{- toYaml .Values.probes.readiness | nindent 8 }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      volumeMounts:
        - { name: config, mountPath: /etc/chord/config, readOnly: true }
        {{- if eq .Values.backend "lmdb" }}
        - { name: data, mountPath: /data }
        {{- end }}
        {{- with .Values.tls.secret }}
        - { name: tls, mountPath: /etc/chord/tls, readOnly: true }
        {{- end }}
        {{- with .Values.tls.clientCaSecret }}
        - { name: client-ca, mountPath: /etc/chord/client-ca, readOnly: true }
        {{- end }}
        {{- with .Values.auth.tokensSecret }}
        - { name: tokens, mountPath: /etc/chord/tokens, readOnly: true }
        {{- end }}
        {{- with .Values.auth.jwksConfigMap }}
        - { name: jwks, mountPath: /etc/chord/jwks, readOnly: true }
        {{- end }}
  volumes:
    - name: config
      configMap: { name: {{ include "chord.name" . }} }
    {{- with .Values.tls.secret }}
    - name: tls
      secret: { secretName: {{ . }}, defaultMode: 0440 }
    {{- end }}
    {{- with .Values.tls.clientCaSecret }}
    - name: client-ca
      secret: { secretName: {{ . }}, defaultMode: 0440, items: [{ key: ca.crt, path: ca.crt }] }
    {{- end }}
    {{- with .Values.auth.tokensSecret }}
    - name: tokens
      secret: { secretName: {{ . }}, defaultMode: 0440 }
    {{- end }}
    {{- with .Values.auth.jwksConfigMap }}
    - name: jwks
      configMap: { name: {{ . }} }
    {{- end }}
{{- end }}

/**
 * What deploy/ holds for containers. No engine runs here: the chart is rendered by Helm, validated against Kubernetes'
 * schemas, and what it renders starts a real server; compose.yaml is read. `make deploy-tools` installs Helm and the schemas;
 * without them a test says so, and checks what is left.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { parse, parseAllDocuments } from 'yaml';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import { envOf, explainConfig, KEYS } from '../../src/config/config.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { Authority, HERE } from '../support/certificates.js';
import { chord, Running, readyServer, type Server } from '../support/cli.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHART = join(ROOT, 'deploy/helm/chord');
const HELM = join(ROOT, '.tools/bin/helm');
const VALIDATE = join(ROOT, '.tools/kubernetes-validate/bin/kubernetes-validate');

// biome-ignore lint/suspicious/noExplicitAny: manifests are looked at where they are known
type Manifest = any;

const FULL = {
  tls: { secret: 'chord-tls', clientCaSecret: 'chord-clients' },
  auth: {
    tokensSecret: 'chord-tokens',
    certificates: true,
    rules: { identities: { ann: { grants: [{ prefix: '', rights: ['read', 'write'] }] } } },
  },
  web: { enabled: true, port: 8080, origins: ['https://shop.example.com'] },
  settings: { cacheBytes: '64MiB', minFreeBytes: 0 },
  probes: { startup: { failureThreshold: 300 } },
  networkPolicy: { enabled: true, clients: [{ podSelector: { matchLabels: { app: 'shop' } } }], monitoring: [] },
  metrics: { serviceMonitor: { enabled: true, interval: '30s', labels: { release: 'prometheus' } } },
  nodeSelector: { disk: 'local' },
  tolerations: [{ key: 'state', operator: 'Exists' }],
  podAnnotations: { team: 'shop' },
  priorityClassName: 'high',
  imagePullSecrets: [{ name: 'pull' }],
  service: { type: 'LoadBalancer', port: 443, annotations: { cloud: 'internal' } },
};
const VALUES: Readonly<Record<string, object>> = {
  insecure: { insecure: true },
  full: FULL,
  redis: {
    ...FULL,
    backend: 'redis',
    replicas: 3,
    redis: { urlSecret: { name: 'redis', key: 'url' }, prefix: 'shop:' },
  },
  'redis without a password': { insecure: true, backend: 'redis', redis: { url: 'redis://redis:6379' } },
};

async function helm(t: ExecutionContext, values: object) {
  const file = join(await temporaryDirectory(t), 'values.json');
  await writeFile(file, JSON.stringify(values));
  return spawnSync(HELM, ['template', 'test', CHART, '--kube-version', '1.34.0', '--values', file], {
    encoding: 'utf8',
  });
}

async function rendered(t: ExecutionContext, values: object): Promise<{ text: string; byKind: Map<string, Manifest> }> {
  const { status, stdout, stderr } = await helm(t, values);
  if (status !== 0) throw new Error(stderr);
  const all = parseAllDocuments(stdout).map((each) => each.toJS() as Manifest);
  return {
    text: stdout,
    byKind: new Map(all.filter(Boolean).map((each) => [`${each.kind}/${each.metadata.name}`, each])),
  };
}

function hasHelm(t: ExecutionContext): boolean {
  if (existsSync(HELM)) return true;
  t.log('the chart is not rendered: Helm is missing (make deploy-tools)');
  t.pass();
  return false;
}

test('the chart passes the linter, and its version is that of Chord', async (t) => {
  const chart = parse(await readFile(join(CHART, 'Chart.yaml'), 'utf8'));
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  t.deepEqual([chart.version, chart.appVersion], [version, version]);
  if (!hasHelm(t)) return;
  const { status, stdout } = spawnSync(HELM, ['lint', CHART, '--strict', '--set', 'insecure=true'], {
    encoding: 'utf8',
  });
  t.is(status, 0, stdout);
});

test('what the chart renders is what Kubernetes takes', async (t) => {
  if (!hasHelm(t)) return;
  const schemas = existsSync(VALIDATE);
  if (!schemas)
    t.log('not validated against the schemas of Kubernetes: kubernetes-validate is missing (make deploy-tools)');
  for (const [name, values] of Object.entries(VALUES)) {
    const { text, byKind } = await rendered(t, values);
    t.true(byKind.size >= 4, name);
    if (!schemas) continue;
    const file = join(await temporaryDirectory(t), 'rendered.yaml');
    // A ServiceMonitor is none of Kubernetes itself: there is no schema of it.
    const own = parseAllDocuments(text).filter((each) => (each.toJS() as Manifest)?.kind !== 'ServiceMonitor');
    await writeFile(file, own.map((each) => each.toString({ directives: true })).join(''));
    const { status, stdout, stderr } = spawnSync(VALIDATE, ['--strict', '-k', '1.34', file], { encoding: 'utf8' });
    t.is(status, 0, `${name}: ${stdout}${stderr}`);
  }
});

test('LMDB is one server with a volume, Redis several with a budget for disruptions', async (t) => {
  if (!hasHelm(t)) return;
  const lmdb = (await rendered(t, FULL)).byKind;
  t.is(lmdb.get('StatefulSet/test-chord').spec.replicas, 1);
  t.deepEqual(lmdb.get('StatefulSet/test-chord').spec.volumeClaimTemplates[0].spec.accessModes, ['ReadWriteOnce']);
  t.false([...lmdb.keys()].some((key) => /^(?:Deployment|PodDisruptionBudget)/.test(key)));
  const [{ startupProbe }] = lmdb.get('StatefulSet/test-chord').spec.template.spec.containers;
  t.like(startupProbe, { periodSeconds: 2, failureThreshold: 300 });
  const redis = (await rendered(t, VALUES.redis!)).byKind;
  const { spec } = redis.get('Deployment/test-chord');
  t.is(spec.replicas, 3);
  t.is(redis.get('PodDisruptionBudget/test-chord').spec.maxUnavailable, 1);
  t.like(spec.template.spec.containers[0].env.at(-1), {
    name: 'CHORD_REDIS_URL',
    valueFrom: { secretKeyRef: { name: 'redis' } },
  });
  // Each finds the pods by the same labels.
  for (const key of ['Service/test-chord', 'Service/test-chord-pods'])
    t.like(spec.template.metadata.labels, redis.get(key).spec.selector);
  for (const [key, path] of Object.entries({ PodDisruptionBudget: 'selector', NetworkPolicy: 'podSelector' }))
    t.like(spec.template.metadata.labels, redis.get(`${key}/test-chord`).spec[path].matchLabels);
  t.like(
    redis.get('Service/test-chord-pods').metadata.labels,
    redis.get('ServiceMonitor/test-chord').spec.selector.matchLabels,
  );
  t.true(spec.template.spec.terminationGracePeriodSeconds * 1000 > 5_000 + 20_000);
});

test('the chart refuses what would not start, and says why', async (t) => {
  if (!hasHelm(t)) return;
  const cases: [object, RegExp][] = [
    [{}, /set tls\.secret and one of auth\.tokensSecret/],
    [{ tls: { secret: 'a' } }, /or insecure=true/],
    [{ tls: { secret: 'a' }, auth: { certificates: true } }, /auth\.certificates needs tls\.clientCaSecret/],
    [{ insecure: true, backend: 'redis' }, /needs redis\.url or redis\.urlSecret/],
    [{ insecure: true, replica: 3 }, /replica/],
    [{ insecure: true, probes: { liveness: { periodSecond: 1 } } }, /periodSecond/],
    [{ insecure: true, backend: 'etcd' }, /backend/],
  ];
  for (const [values, reason] of cases) {
    const { status, stderr } = await helm(t, values);
    t.not(status, 0);
    t.regex(stderr, reason);
  }
});

/** Starts the rendered container here: its arguments, its environment, and its mounts in a directory. */
async function start(
  t: ExecutionContext,
  byKind: Map<string, Manifest>,
  secrets: Record<string, Record<string, string>>,
): Promise<Server> {
  const root = await temporaryDirectory(t);
  const { containers, volumes } = byKind.get('StatefulSet/test-chord').spec.template.spec;
  const [{ args, env, volumeMounts }] = containers;
  const here = (text: string) =>
    text
      .replace(/0\.0\.0\.0:\d+/g, '127.0.0.1:0')
      .replaceAll('"/etc/chord', `"${root}/etc/chord`)
      .replaceAll('"/data', `"${root}/data`);
  for (const { name, mountPath } of volumeMounts) {
    const volume = volumes.find((each: Manifest) => each.name === name) ?? {};
    const config = volume.configMap && byKind.get(`ConfigMap/${volume.configMap.name}`).data;
    await mkdir(join(root, mountPath), { recursive: true });
    for (const [file, text] of Object.entries<string>(config ?? secrets[volume.secret?.secretName] ?? {}))
      await writeFile(join(root, mountPath, file), here(text));
  }
  const variables = Object.fromEntries(env.map((each: Manifest) => [each.name, here(each.value)]));
  const server = new Running(
    args.map((each: string) => (each.startsWith('/') ? join(root, each) : each)),
    undefined,
    variables,
  );
  t.teardown(() => server.end('SIGKILL'));
  return readyServer(server);
}

test('a server starts with what the chart renders, lets in whom the rules name, and answers the probes', async (t) => {
  if (!hasHelm(t)) return;
  const { byKind } = await rendered(t, FULL);
  const authority = await Authority.create();
  const pair = await authority.issue({ names: HERE });
  const client = await authority.issue({ name: 'ann' });
  const token = newToken();
  const server = await start(t, byKind, {
    'chord-tls': { 'tls.crt': pair.cert, 'tls.key': pair.key },
    'chord-clients': { 'ca.crt': authority.cert },
    'chord-tokens': { tokens: `${tokenLine('ann', token)}\n` },
  });
  const files = await temporaryDirectory(t);
  await writeFile(join(files, 'ca.pem'), authority.cert);
  await writeFile(join(files, 'cert.pem'), client.cert);
  await writeFile(join(files, 'key.pem'), client.key);
  const tls = [
    '--ca',
    join(files, 'ca.pem'),
    '--client-cert',
    join(files, 'cert.pem'),
    '--client-key',
    join(files, 'key.pem'),
  ];
  const set = await chord(['--address', server.address, ...tls, 'set', 'a', '{}'], '', { CHORD_TOKEN: token });
  t.is(set.code, 0, set.stderr);
  const metrics = /metrics on (http:\/\/\S+)\/metrics/.exec(server.ready)![1]!;
  const [{ livenessProbe, readinessProbe }] = byKind.get('StatefulSet/test-chord').spec.template.spec.containers;
  for (const { httpGet } of [livenessProbe, readinessProbe]) {
    const { status } = await fetch(`${metrics}${httpGet.path}`, { headers: { host: '127.0.0.1' } });
    t.is(status, 200, httpGet.path);
  }
});

test('compose.yaml names settings, files and services that there are', async (t) => {
  const folder = join(ROOT, 'deploy/compose');
  const { services } = parse(await readFile(join(folder, 'compose.yaml'), 'utf8'), { merge: true });
  for (const [
    name,
    { environment = {}, volumes = [], build, depends_on = {}, profiles, ports = [] },
  ] of Object.entries<Manifest>(services)) {
    const settings = Object.entries<string>(environment).filter(([key]) => key.startsWith('CHORD_'));
    for (const [key] of settings) t.true(KEYS.map(envOf).includes(key), `${name}: ${key}`);
    t.notThrows(() => explainConfig({ env: Object.fromEntries(settings) }), name);
    for (const [source] of volumes.map((each: string) => each.split(':')))
      t.true(!source.startsWith('.') || existsSync(join(folder, source)), `${name}: ${source}`);
    if (build) t.true(existsSync(join(folder, build, 'Dockerfile')));
    for (const other of Object.keys(depends_on)) t.deepEqual(services[other].profiles, profiles, `${name}: ${other}`);
    for (const port of ports) t.true(port.startsWith('127.0.0.1:'), `${name} is open to the network: ${port}`);
  }
  const prometheus = parse(await readFile(join(folder, 'prometheus.yaml'), 'utf8'));
  for (const target of prometheus.scrape_configs[0].static_configs[0].targets) {
    const [service, port] = target.split(':');
    t.true(services[service].environment.CHORD_METRICS_LISTEN.endsWith(`:${port}`), target);
  }
  const nginx = await readFile(join(folder, 'nginx.conf'), 'utf8');
  const upstreams = [...nginx.matchAll(/server ([\w-]+):(\d+)/g)].map(([, name, port]) => [name, port]);
  t.deepEqual(upstreams, [
    ['chord-1', '50051'],
    ['chord-2', '50051'],
  ]);
  const datasource = parse(await readFile(join(folder, 'grafana/datasource.yaml'), 'utf8')).datasources[0];
  t.true(new URL(datasource.url).hostname in services);
});

test('the service is installed by one script, below a directory here', async (t) => {
  const script = join(ROOT, 'deploy/systemd/install');
  t.is(spawnSync('bash', ['-n', script]).status, 0);
  const { status, stderr } = spawnSync(script, ['--nothing'], { encoding: 'utf8' });
  t.is(status, 2);
  t.regex(stderr, /deploy\/systemd\/install \[--root DIR\]/);
  t.is(dirname(script), join(ROOT, 'deploy/systemd'));
  const old = spawnSync(script, ['--root', await temporaryDirectory(t), '--node', '/bin/false'], { encoding: 'utf8' });
  t.is(old.status, 1);
  t.regex(old.stderr, /needs Node 20\.19/);
});

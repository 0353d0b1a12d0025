import test from 'ava';
import fc from 'fast-check';
import {
  type Config,
  ConfigError,
  type ConfigSources,
  envOf,
  explainConfig,
  flagOf,
  KEYS,
  type Key,
  loadConfig,
  SETTINGS,
} from '../../src/config/config.js';

/** For each setting a written value that is not its default, and what it means. */
const OTHER: { [K in Key]: readonly [written: string, value: Config[K]] } = {
  listen: ['[::1]:0', '[::1]:0'],
  tlsCert: ['tls/server.pem', 'tls/server.pem'],
  tlsKey: ['tls/server.key', 'tls/server.key'],
  tlsClientCa: ['tls/clients.pem', 'tls/clients.pem'],
  insecure: ['true', true],
  backend: ['memory', 'memory'],
  dataDir: ['/tmp/elsewhere', '/tmp/elsewhere'],
  redisUrl: ['rediss://chord@db:6380/2', 'rediss://chord@db:6380/2'],
  redisPrefix: ['other:', 'other:'],
  redisTimeout: ['1s', 1000],
  logLevel: ['silent', 'silent'],
  logFormat: ['text', 'text'],
  auditLog: ['/var/log/chord.audit', '/var/log/chord.audit'],
  metricsListen: ['127.0.0.1:0', '127.0.0.1:0'],
  webListen: ['127.0.0.1:0', '127.0.0.1:0'],
  webConsole: ['off', 'off'],
  webOrigins: ['https://a.example,https://b.example:8443', ['https://a.example', 'https://b.example:8443']],
  metricsInsecure: ['true', true],
  cacheBytes: ['1GB', 1e9],
  maxDocumentBytes: ['64KiB', 65_536],
  maxRequestMembers: ['1000', 1000],
  deltaThreshold: ['7', 7],
  deltaRetention: [
    '1h:all,36h:1m',
    [
      { age: 3_600_000, every: 0 },
      { age: 129_600_000, every: 60_000 },
    ],
  ],
  deltaTtl: ['2d', 172_800_000],
  contextAutoDelete: ['true', true],
  contextTtl: ['1h30m', 5_400_000],
  requestTtl: ['36h', 129_600_000],
  cleanupInterval: ['off', 0],
  exportUrl: ['file:exports', 'file:exports'],
  exportCa: ['tls/stores.pem', 'tls/stores.pem'],
  exportOnExpiry: ['true', true],
  exportTimeout: ['2s', 2000],
  minFreeBytes: ['0', 0],
  maxConnections: ['7', 7],
  maxConnectionsPerAddress: ['8', 8],
  acceptQueue: ['9', 9],
  workers: ['auto', 'auto'],
  identifyTimeout: ['5s', 5000],
  requestTimeout: ['off', 0],
  maxStreamsPerConnection: ['12', 12],
  authTokens: ['/etc/chord/tokens', '/etc/chord/tokens'],
  authJwks: ['/etc/chord/jwks.json', '/etc/chord/jwks.json'],
  authJwtIssuer: ['https://login.example.com/', 'https://login.example.com/'],
  authJwtAudience: ['chord', 'chord'],
  authJwtAlgorithms: ['ES256,PS512', ['ES256', 'PS512']],
  authJwtClaim: ['email', 'email'],
  authCertificates: ['true', true],
  authRules: ['/etc/chord/rules.json', '/etc/chord/rules.json'],
  maxInFlight: ['5', 5],
  maxInFlightBytes: ['8MiB', 8_388_608],
  maxEventLoopDelay: ['off', 0],
  quotas: ['streams=3,bytesPerSecond=2KiB,calls=off', { streams: 3, bytesPerSecond: 2048, calls: Infinity }],
  connectionQuotas: ['calls=1', { calls: 1 }],
  heartbeatInterval: ['2s', 2000],
  shutdownDelay: ['5s', 5000],
  shutdownGrace: ['500ms', 500],
  keepaliveInterval: ['1m', 60_000],
  keepaliveTimeout: ['1m30s', 90_000],
};

const SOURCES: Record<string, (key: Key) => ConfigSources> = {
  flag: (key) => ({ flags: { [flagOf(key)]: OTHER[key][0] } }),
  environment: (key) => ({ env: { [envOf(key)]: OTHER[key][0] } }),
  file: (key) => ({ file: { path: 'chord.json', settings: { [key]: OTHER[key][0] } } }),
  option: (key) => ({ options: { [key]: OTHER[key][1] } as Partial<Config> }),
};

function problems(sources: ConfigSources): readonly string[] {
  try {
    loadConfig(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test('without sources every setting has its default, and the config is frozen', (t) => {
  const config = loadConfig();
  for (const key of KEYS) t.is(config[key], SETTINGS[key].default, key);
  t.true(Object.isFrozen(config));
});

test('every default is a legal value, and reads back from how it is printed', (t) => {
  for (const key of KEYS) {
    const { default: fallback, format } = SETTINGS[key];
    const written = (format as (value: unknown) => string)(fallback);
    t.deepEqual(loadConfig({ flags: { [flagOf(key)]: written } })[key], fallback, key);
  }
});

for (const [name, source] of Object.entries(SOURCES)) {
  test(`every setting can be set by ${name}, and says so`, (t) => {
    for (const key of KEYS) {
      const { config, origins } = explainConfig(source(key));
      t.deepEqual(config[key], OTHER[key][1], key);
      t.not(origins[key], 'default');
      for (const other of KEYS) if (other !== key) t.is(origins[other], 'default');
    }
  });
}

test('origins are named as a person would', (t) => {
  const { origins } = explainConfig({
    flags: { 'data-dir': 'x' },
    env: { CHORD_BACKEND: 'memory' },
    file: { path: 'chord.json', settings: { deltaThreshold: 5 } },
  });
  t.like(origins, { dataDir: '--data-dir', backend: 'CHORD_BACKEND', deltaThreshold: 'deltaThreshold in chord.json' });
});

test('options win over flags, flags over the environment, the environment over the file', (t) => {
  const order = ['options', 'flags', 'env', 'file'] as const;
  fc.assert(
    fc.property(fc.subarray([...order]), (present) => {
      const all: Required<ConfigSources> = {
        options: { deltaThreshold: 1 },
        flags: { 'delta-threshold': '2' },
        env: { CHORD_DELTA_THRESHOLD: '3' },
        file: { path: 'chord.json', settings: { deltaThreshold: 4 } },
      };
      const sources = Object.fromEntries(present.map((name) => [name, all[name]])) as ConfigSources;
      const winner = order.findIndex((name) => present.includes(name));
      t.is(loadConfig(sources).deltaThreshold, winner === -1 ? 100 : winner + 1);
    }),
  );
});

test('a wrong value in a source that loses is still refused', (t) => {
  t.deepEqual(problems({ flags: { backend: 'memory' }, env: { CHORD_BACKEND: 'mysql' } }), [
    'CHORD_BACKEND: expected one of lmdb, redis, memory, got "mysql"',
  ]);
});

test('a password is never printed', (t) => {
  const url = 'rediss://chord:s3cret@a:1,b:2/0,redis://:s3cret@c:3';
  t.is(SETTINGS.redisUrl.format(url), 'rediss://chord:***@a:1,b:2/0,redis://:***@c:3');
  t.is(
    SETTINGS.exportUrl.format('postgres://db/x?user=me&password=s3cret&ssl=1'),
    'postgres://db/x?user=me&password=***&ssl=1',
  );
});

test('an unknown flag or key of the file is refused with its nearest name', (t) => {
  t.deepEqual(
    problems({
      flags: { lisen: 'x', 'print-confg': '', frobnicate: '' },
      file: { path: 'chord.json', settings: { data_dir: 'x', CacheBytes: 1 } },
    }),
    [
      'unknown setting --lisen; did you mean --listen?',
      'unknown setting --print-confg; did you mean --print-config?',
      'unknown setting --frobnicate',
      'unknown setting data_dir in chord.json; did you mean dataDir in chord.json?',
      'unknown setting CacheBytes in chord.json; did you mean cacheBytes in chord.json?',
    ],
  );
});

test('an unknown variable is a warning with its nearest name', (t) => {
  const env = { CHORD_LISEN: 'x', CHORD_ADRESS: 'x', HOME: '/root', CHORD_ADDRESS: 'other:1', CHORD_CONFIG: 'x' };
  t.deepEqual(explainConfig({ env }).warnings, [
    'unknown setting CHORD_LISEN; did you mean CHORD_LISTEN?',
    'unknown setting CHORD_ADRESS; did you mean CHORD_ADDRESS?',
  ]);
});

test('what Kubernetes injects for a Service named chord, or chord-something, is passed over', (t) => {
  const link = (name: string, port: string) => ({
    [`${name}_SERVICE_HOST`]: '10.0.0.1',
    [`${name}_SERVICE_PORT`]: '50051',
    [`${name}_SERVICE_PORT_${port}`]: '50051',
    [`${name}_PORT`]: 'tcp://10.0.0.1:50051',
    [`${name}_PORT_50051_TCP`]: 'tcp://10.0.0.1:50051',
    [`${name}_PORT_50051_TCP_PROTO`]: 'tcp',
    [`${name}_PORT_50051_TCP_PORT`]: '50051',
    [`${name}_PORT_50051_TCP_ADDR`]: '10.0.0.1',
    [`${name}_PORT_53_UDP`]: 'udp://10.0.0.1:53',
  });
  const env = { ...link('CHORD', 'GRPC'), ...link('CHORD_METRICS', 'HTTP_2') };
  t.deepEqual(explainConfig({ env }).warnings, []);
  t.deepEqual(explainConfig({ env: { CHORD_PORTS: '1' } }).warnings.length, 1);
  // None of Chord's own names can be taken for one of them.
  for (const key of KEYS) t.notRegex(envOf(key), /_(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_|$)/);
});

test('keys that objects inherit are unknown settings like any other', (t) => {
  const settings = JSON.parse('{"__proto__":1,"constructor":2}');
  t.deepEqual(problems({ file: { path: 'f', settings } }), [
    'unknown setting __proto__ in f',
    'unknown setting constructor in f',
  ]);
});

test('all problems are told at once, each with its origin', (t) => {
  t.deepEqual(
    problems({
      flags: { listen: 'localhost', 'cache-bytes': '12x' },
      env: { CHORD_HEARTBEAT_INTERVAL: '15', CHORD_LOG_LEVEL: 'loud', CHORD_MAX_DOCUMENT_BYTES: '4MiB' },
      file: { path: 'chord.json', settings: { deltaThreshold: 0, shutdownGrace: 10, dataDir: '' } },
    }),
    [
      '--listen: expected HOST:PORT, like 127.0.0.1:50051 or [::1]:50051, got "localhost"',
      'dataDir in chord.json: must not be empty, got ""',
      'CHORD_LOG_LEVEL: expected one of trace, debug, info, warn, error, fatal, silent, got "loud"',
      '--cache-bytes: expected a size like 64MiB or 1GB, got "12x"',
      'CHORD_MAX_DOCUMENT_BYTES: must be at most 4032KiB, got "4MiB"',
      'deltaThreshold in chord.json: must be at least 1, got 0',
      'CHORD_HEARTBEAT_INTERVAL: expected a duration like 500ms, 15s or 6h, got "15"',
      'shutdownGrace in chord.json: expected a duration like 500ms, 15s or 6h, got 10',
    ],
  );
});

test('a limit that is none is named, and so is one that is not known', (t) => {
  t.deepEqual(problems({ flags: { quotas: 'streams=1,calls=0' } }), [
    '--quotas: calls: expected a whole number of at least 1, or off, got "streams=1,calls=0"',
  ]);
  t.regex(problems({ flags: { quotas: 'steams=1' } })[0]!, /^--quotas: there is no limit steams, only streams, /);
  t.deepEqual(
    loadConfig({ file: { path: 'f', settings: { quotas: { streams: 3, bytesPerSecond: '1MiB' } } } }).quotas,
    {
      streams: 3,
      bytesPerSecond: 1_048_576,
    },
  );
});

test('a config file that is no object is refused', (t) => {
  for (const settings of [null, [], 'x', 1]) {
    t.deepEqual(problems({ file: { path: 'chord.json', settings } }), [
      'chord.json: the settings must be a JSON object',
    ]);
  }
});

test('addresses', (t) => {
  for (const listen of ['127.0.0.1:0', 'localhost:65535', '[::]:1', 'a.b-c.example:443']) {
    t.is(loadConfig({ flags: { listen } }).listen, listen);
  }
  for (const listen of ['', ':1', 'host', 'host:', 'host:65536', '::1:5', 'host:5x', 'http://h:1']) {
    t.is(problems({ flags: { listen } }).length, 1, listen);
  }
});

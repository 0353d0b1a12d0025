/** What `--help` says below the options. */

export const GENERAL = `
Positions are written EPOCH:VERSION:DIGEST, as every command prints them.

Exit codes: 0 done, 1 failed, 2 wrong usage.

Examples:
  chord serve
  chord set room:1 '{"topic":"daily","users":{}}'
  chord update room:1 '{"users":{"ann":{"status":"here"}}}' --increment visits=1
  chord watch room:1 'user:*'
  chord get room:1 --json | jq -r .position
  chord get room:1 --address chord.example:50051 --ca ca.pem
`;

export const SERVE = `
Flags win over variables, variables over the config file. Sizes are written 64MiB or 1GB,
durations 500ms, 15s or 6h. The log goes to stderr. SIGTERM or Ctrl-C stops gracefully; a second one
at once. SIGHUP reads certificates and the config file again.

Beyond loopback, TLS and authentication are needed, or --insecure: docs/tls.md.

Examples:
  chord serve
  chord serve --data-dir /var/lib/chord
  chord serve --listen 0.0.0.0:50051 --tls-cert server.pem --tls-key server.key --tls-client-ca clients.pem
  chord serve --backend memory --listen 127.0.0.1:0
  chord serve --plugin ./examples/formats.js
  CHORD_CACHE_BYTES=1GiB chord serve --config chord.json --print-config
`;

export const DOCUMENT = `
The document is a JSON object, @FILE, or - for standard input.

Examples:
  chord set room:1 '{"topic":"daily"}'
  chord set room:1 @room.json --ttl 6h
  curl -s https://example.com/room.json | chord set room:1 -
  chord set room:1 '{}' --expected absent
`;

export const UPDATE = `
The document is deep-merged: objects member by member, everything else replaces. null stores null;
only --remove removes. It is a JSON object, @FILE, or - for standard input.

A path is keys joined by dots: users.ann.name. Keys that hold dots, equals signs or spaces are written
as a JSON array: '["a.b","c"]'.

Examples:
  chord update room:1 '{"topic":"weekly"}'
  chord update room:1 --set users.ann='{"status":"here"}' --remove users.bob
  chord update room:1 --increment visits=1 --append 'log="ann came"' --delta
  chord update room:1 --set '["a.b","c"]=true' --expected k3J9x0Qa:42:Zz81hT0e
`;

export const BATCH = `
The file has one JSON object for each write, one a line or in a JSON array. A write is named by what it does to which
context: set with value; update with changes and mutations; revert with version; delete; touch. Each but touch may have
expected (a position, or absent), each but delete a ttl, update and delete allowMissing.

On Redis, all contexts must lie together: ids with the same part in braces do, as {bank}:ann and {bank}:bob.

Examples:
  chord batch transfer.jsonl --request-id transfer-7
  chord batch - <<'END'
  {"update":"{bank}:ann","mutations":[{"increment":"balance","by":-5}],"expected":"k3J9x0Qa:42:Zz81hT0e"}
  {"update":"{bank}:bob","mutations":[{"increment":"balance","by":5},{"append":"log","values":["from ann"]}]}
  {"set":"{bank}:receipt:7","value":{"amount":5},"ttl":"6h"}
  {"delete":"{bank}:order:7"}
  END
`;

export const CLEANUP = `
What is not given is as the server is set (chord serve --help); --delta-ttl and the like hold for one run, or from
start and update on until the server ends. Durations are written 500ms, 15s or 6h.

Examples:
  chord cleanup run --dry-run
  chord cleanup run --prefix room: --delta-ttl 1h --limit 1000
  chord cleanup start --interval 10m --context-auto-delete true
  chord cleanup status --json
`;

export const WATCH = `
A target is a context id, or a prefix where it ends in *: 'user:*'. A final \\* is a star of the id itself.
Each line is one change: + added, ~ modified, - removed, = the whole document. When the server goes
away, watch reconnects and continues from where it was.

Examples:
  chord watch room:1 'user:*'
  chord watch '*' --json
  chord watch room:1 --path users.ann --format json_patch --json
  chord watch room:1 --known room:1=k3J9x0Qa:42:Zz81hT0e
`;

export const TRANSFER = `
A target is a context id, or a prefix where it ends in *: 'user:*'. A final \\* is a star of the id itself.
Where exports go, the server's --export-url says.

Examples:
  chord export room:1 --history
  chord export '*'
  chord restore 'room:*' --overwrite
`;

export const TOKEN = `
The file has one line for each token: a name, the token's hash, and perhaps when it ends. A name may have several, so
that a new token is good before the old one goes. The server reads the file again when it changes.

Examples:
  chord token new ann --file tokens --expires 90d > ann.token
  openssl rand -hex 32 | tee bob.token | chord token hash bob --file tokens
  chord serve --auth-tokens tokens --auth-rules rules.json
`;

export const BACKUP = `
The copy is of one moment, read back and verified before it gets its name. DIR must be missing or empty; it can be
served as it is: chord serve --data-dir DIR. On Redis, use the persistence of Redis, or chord export.

Examples:
  chord backup /backups/monday
  chord backup ./copy --address chord.example:50051
  chord backup ./copy --data-dir ./data
`;

export const VERIFY = `
Nothing is changed. Exit code 1 where something is wrong: one line for each, with the context and the version.

Examples:
  chord verify /backups/monday
  chord verify ./data --json
`;

export const TOP = `
On a terminal it is drawn anew at each interval (default 1s), until Ctrl-C; elsewhere, or with --json, each interval is
printed below the one before. Counts are of the interval. Contexts are counted by the calls that name them, from when you
look. Where callers are asked who they are, it takes the right admin on all contexts.

Examples:
  chord top
  chord top --interval 5s --address 10.0.0.7:50051
  chord top --json | jq .hottest[0].contextId
  chord top --once --json
`;

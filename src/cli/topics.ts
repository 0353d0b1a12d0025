/** `chord help TOPIC`: what several commands have in common. The man page and docs/reference/cli.md have the same texts. */

export interface Topic {
  readonly summary: string;
  readonly text: string;
}

export const TOPICS: Readonly<Record<string, Topic>> = {
  positions: {
    summary: 'EPOCH:VERSION:DIGEST, and what to do with it',
    text: `A position names one state of one context: the epoch is one life of the context, the version counts its
writes, the digest tells apart histories of the same version. Every write prints one.

Where an option takes a position, a version alone will do; it then holds for any epoch.

Examples:
  chord diff room:1 41                       # what happened since version 41
  chord sync room:1 --known k3J9x0Qa:42:Zz81hT0e
  chord update room:1 '{"topic":"weekly"}' --expected 42   # only where no other write came between
  chord get room:1 --version 41              # the document as it was`,
  },
  paths: {
    summary: 'how a part of a document is named',
    text: `A path is the keys of objects from the root, joined by dots: users.ann.name. Keys that hold dots, equals signs
or spaces are written as a JSON array: '["a.b","c"]'. Lists have no keys: an element is named by --splice.

Examples:
  chord update room:1 --set users.ann='{"status":"here"}' --remove users.bob
  chord watch room:1 --path users.ann        # only this part of the document
  chord blame room:1 users`,
  },
  conditions: {
    summary: 'writes that happen only where something holds',
    text: `--expected POSITION     the context stands exactly there; absent: it does not exist
--unchanged PATH        nothing changed this path since --since POSITION; repeatable
--check CHECK           the document is so; repeatable, all must hold

A check is PATH=JSON, PATH>=NUMBER, PATH<=NUMBER, PATH (it exists) or '!PATH' (it does not).

A write whose condition does not hold is ABORTED and changes nothing; the error says where the context stands, and
what does not hold.

Examples:
  chord set room:1 '{}' --expected absent
  chord update room:1 --set topic='"monthly"' --unchanged topic --since 42
  chord update shop --increment stock=-1 --check 'stock>=1' --check '!closed'`,
  },
  retention: {
    summary: 'what the server removes, and when',
    text: `Deltas      the newest of each context stay, as far as serve's --delta-threshold and --delta-ttl say; with
            --delta-retention 1h:all,1d:1m older ones are thinned. A client that is further behind gets the document.
Contexts    with a time to live (set --ttl, touch) go when it has passed; a write or touch begins it anew.
Members     with a time of their own (update --ttl-of) go alone.
Unused      contexts are removed only where --context-auto-delete says so.

Examples:
  chord cleanup status
  chord cleanup run --dry-run
  chord touch room:1 --ttl 1h`,
  },
  rights: {
    summary: 'tokens, certificates, rules',
    text: `A server without --auth-tokens, JWT or client certificates takes every caller for the same one. With them a caller
is an identity, and has the rights that the file of serve's --auth-rules grants: read, write, watch, admin, export, on
ids that begin with a prefix, or inside documents at a path. Without a rules file every known caller may do everything.

Examples:
  chord token new ann                        # prints the token, and the line for the file of --auth-tokens
  CHORD_TOKEN=... chord get room:1 --address chord.example:50051 --ca ca.pem
  chord serve --auth-tokens tokens --auth-rules rules.json --tls-cert cert.pem --tls-key key.pem`,
  },
};

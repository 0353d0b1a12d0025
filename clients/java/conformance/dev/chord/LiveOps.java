package dev.chord;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The ops on a server. */
final class LiveOps {
  private static final Object NOTHING = Map.of();

  private final Map<String, AutoCloseable> handles = new LinkedHashMap<>();
  private final Map<String, Calls> copies = new LinkedHashMap<>();
  private ChordClient client;
  private int opened;

  Object connect(Args args) throws Exception {
    if (client != null) client.close();
    ClientOptions.Builder options = ClientOptions.builder();
    if (args.has("token")) options.token(args.text("token"));
    if (args.has("tokenFile")) options.token(() -> read(Path.of(args.text("tokenFile"))));
    if (args.has("tls")) options.tls(tls(args.sub("tls")));
    if (args.has("deadline")) options.deadline(args.millis("deadline", null));
    if (args.has("attempts")) options.retry(RetryPolicy.DEFAULT.withAttempts((int) args.number("attempts", 0)));
    client = ChordClient.connect(args.text("address"), options.build());
    return NOTHING;
  }

  private static Tls tls(Args args) {
    Tls tls = Tls.SYSTEM.withRoots(Path.of(args.text("ca")));
    if (args.has("cert")) tls = tls.withIdentity(Path.of(args.text("cert")), Path.of(args.text("key")));
    return args.has("serverName") ? tls.withServerName(args.text("serverName")) : tls;
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Object set(Args args) {
    return Forms.written(client.set(args.text("contextId"), args.map("value"), args.setOptions()));
  }

  Object update(Args args) {
    return Forms.written(client.update(args.text("contextId"), args.edit(), args.updateOptions()));
  }

  Object revert(Args args) {
    return Forms.written(client.revert(args.text("contextId"), args.number("version", 0), args.revertOptions()));
  }

  Object batch(Args args) {
    List<Write> writes = args.each("writes").stream().map(Args::write).toList();
    return Forms.form("results", Forms.all(client.batch(writes, args.batchOptions()), Forms::written));
  }

  Object get(Args args) {
    Document document = client.get(args.text("contextId"), args.getOptions());
    Map<String, Object> form = Forms.document(document);
    if (!args.flag("includeExpiries")) return form;
    form.put("expiries", Forms.all(document.expiries(), each ->
        Forms.form("path", each.path(), "expiresAt", each.expiresAt().toEpochMilli())));
    return form;
  }

  Object edit(Args args) {
    List<Object> seen = new ArrayList<>();
    List<Args> meanwhile = args.each("meanwhile");
    WriteResult result = client.edit(args.text("contextId"), document -> {
      seen.add(Json.parse(Json.write(document)));
      if (seen.size() <= meanwhile.size()) update(meanwhile.get(seen.size() - 1));
      for (List<String> path : args.paths("add")) addOne(document, path);
    }, args.editOptions());
    Map<String, Object> form = Forms.written(result);
    form.put("seen", seen);
    return form;
  }

  private static void addOne(Map<String, Object> document, List<String> path) {
    Map<String, Object> parent = document;
    for (String key : path.subList(0, path.size() - 1)) {
      parent = Json.map(parent.computeIfAbsent(key, missing -> new LinkedHashMap<>()));
    }
    parent.merge(path.get(path.size() - 1), 1.0, (number, one) -> (Double) number + (Double) one);
  }

  Object waitFor(Args args) {
    WaitOptions options =
        WaitOptions.builder().known(args.position("known")).timeout(args.millis("timeout", 10_000L)).build();
    WaitResult answer = client.waitFor(args.text("contextId"), args.checks("until"), options);
    return Forms.form("result", Forms.syncResult(answer.result()), "heldAt", answer.heldAt());
  }

  Object delete(Args args) {
    DeleteResult result = client.delete(args.text("contextId"), args.deleteOptions());
    return Forms.form("position", Forms.position(result.position()), "changed", result.changed());
  }

  Object touch(Args args) {
    return Forms.document(client.touch(args.text("contextId"), args.millis("ttl", null)));
  }

  Object presence(Args args) {
    String id = args.text("contextId");
    return keep(client.presence(id, args.path(), args.members().get("value"), args.millis("ttl", null)));
  }

  Object list(Args args) {
    ListOptions.Builder options = ListOptions.builder();
    if (args.flag("includeValues")) options.includeValues();
    List<Object> contexts = new ArrayList<>();
    for (Document each : client.list(args.text("prefix"), options.build())) contexts.add(Forms.document(each));
    return Forms.form("contexts", contexts);
  }

  Object sync(Args args) {
    SyncResult result = client.sync(args.text("contextId"), args.position("known"), args.syncOptions());
    return Forms.form("result", Forms.syncResult(result));
  }

  Object deltas(Args args) {
    List<Object> deltas = new ArrayList<>();
    Map<String, Object> answer = null;
    for (DeltaPage page : client.deltas(args.text("contextId"), args.number("fromVersion", 0), args.deltasOptions())) {
      if (answer == null) {
        answer = Forms.form("truncated", page.truncated(), "head", Forms.position(page.head()), "deltas", deltas);
      }
      deltas.addAll(Forms.all(page.deltas(), Forms::delta));
    }
    return answer;
  }

  Object blame(Args args) {
    List<Object> lines = new ArrayList<>();
    Map<String, Object> answer = Forms.form("lines", lines);
    for (BlamePage page : client.blame(args.text("contextId"), BlameOptions.builder().paths(args.paths("paths")).build())) {
      answer.put("position", Forms.position(page.position()));
      answer.put("olderThan", page.olderThan());
      lines.addAll(Forms.all(page.lines(), Forms::line));
    }
    return answer;
  }

  Object watch(Args args) {
    WatchOptions.Builder options = WatchOptions.builder().known(args.positions("known"));
    if (args.flag("includeOldValues")) options.includeOldValues();
    if (args.has("format")) options.format(args.text("format"));
    return keep(client.watch(args.targets(), options.build()));
  }

  Object next(Args args) {
    Watch watch = (Watch) handles.get(args.text("handle"));
    long end = System.nanoTime() + args.millis("timeout", 0L).toNanos();
    List<Object> events = new ArrayList<>();
    while (events.size() < args.number("count", 1)) {
      Optional<WatchEvent> event = watch.poll(Duration.ofNanos(Math.max(0, end - System.nanoTime())));
      if (event.isEmpty()) break;
      events.add(Forms.event(event.get()));
    }
    return Forms.form("events", events);
  }

  Object replica(Args args) throws TimeoutException {
    Calls calls = new Calls();
    Replica replica = Replica.open(client, args.targets(), calls);
    try {
      replica.awaitReady(args.millis("timeout", 0L));
      calls.begin(replica);
    } catch (ChordException e) {
      replica.close();
      if (e.reason().equals("DEADLINE_EXCEEDED")) throw new TimeoutException(e.getMessage());
      throw e;
    }
    String handle = "h" + (opened + 1);
    copies.put(handle, calls);
    return keep(replica);
  }

  Object seen(Args args) throws Exception {
    Duration timeout = args.millis("timeout", 10_000L);
    return Forms.form("seen", copies.get(args.text("handle")).await((int) args.number("count", 1), timeout));
  }

  Object ended(Args args) throws Exception {
    Duration timeout = args.millis("timeout", 10_000L);
    Throwable error = copies.get(args.text("handle")).error.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
    return Forms.form("error", Forms.error(error));
  }

  /** What a replica has told since it was ready. */
  private static final class Calls implements ReplicaListener {
    final CompletableFuture<Throwable> error = new CompletableFuture<>();
    private final List<Object> seen = new ArrayList<>();
    private Replica replica;

    synchronized void begin(Replica replica) {
      this.replica = replica;
    }

    @Override
    public synchronized void changed(ReplicaChange change) {
      if (replica == null) return;
      Map<String, Object> versions = new LinkedHashMap<>();
      for (Replica.Kept kept : replica.state()) versions.put(kept.id(), kept.position().version());
      seen.add(Forms.form("contextId", change.id(), "versions", versions));
      notifyAll();
    }

    @Override
    public void failed(Throwable error) {
      this.error.complete(error);
    }

    synchronized List<Object> await(int count, Duration timeout) throws Exception {
      long end = System.nanoTime() + timeout.toNanos();
      while (seen.size() < count) {
        long left = (end - System.nanoTime()) / 1_000_000;
        if (left <= 0) throw new TimeoutException("called " + seen.size() + " times");
        wait(left);
      }
      return List.copyOf(seen);
    }
  }

  Object read(Args args) throws Exception {
    Replica replica = (Replica) handles.get(args.text("handle"));
    String id = args.text("contextId");
    CountDownLatch fits = new CountDownLatch(1);
    ReplicaListener check = change -> {
      if (fits(replica, id, args)) fits.countDown();
    };
    replica.addListener(check);
    try {
      Duration timeout = args.millis("timeout", 10_000L);
      if (!fits(replica, id, args) && !fits.await(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new TimeoutException("not within " + timeout);
      }
      return Forms.form("value", replica.get(id), "position", Forms.position(replica.position(id)));
    } finally {
      replica.removeListener(check);
    }
  }

  private static boolean fits(Replica replica, String id, Args args) {
    if (!args.has("version")) return true;
    long wanted = args.number("version", 0);
    Position at = replica.position(id);
    return wanted == 0 ? at == null : at != null && at.version() >= wanted;
  }

  Object burst(Args args) throws Exception {
    List<Callable<Long>> updates = new ArrayList<>();
    for (int i = 0; i < args.number("count", 0); i++) {
      List<String> path = List.of(args.text("name"), String.valueOf(i));
      Edit edit = Edit.of(Mutation.set(path, i), Mutation.increment(List.of("total"), 1));
      UpdateOptions options = UpdateOptions.builder().allowMissing().build();
      updates.add(() -> client.update(args.text("contextId"), edit, options).position().version());
    }
    ExecutorService threads = Executors.newFixedThreadPool((int) args.number("concurrency", 1));
    List<Long> versions = new ArrayList<>();
    int failed = 0;
    for (Future<Long> update : threads.invokeAll(updates)) {
      try {
        versions.add(update.get());
      } catch (java.util.concurrent.ExecutionException e) {
        failed++;
        System.err.println(e.getCause());
      }
    }
    threads.shutdown();
    return Forms.form("versions", versions, "failed", failed);
  }

  Object close(Args args) throws Exception {
    if (args.has("handle")) {
      AutoCloseable handle = handles.remove(args.text("handle"));
      if (handle != null) handle.close();
    } else {
      for (AutoCloseable handle : handles.values()) handle.close();
      handles.clear();
      client.close();
    }
    return NOTHING;
  }

  private Object keep(AutoCloseable handle) {
    String name = "h" + ++opened;
    handles.put(name, handle);
    return Forms.form("handle", name);
  }
}

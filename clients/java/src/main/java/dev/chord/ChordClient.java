package dev.chord;

import dev.chord.v1.BlameContextRequest;
import dev.chord.v1.BlameContextResponse;
import dev.chord.v1.ContextServiceGrpc;
import dev.chord.v1.ListContextsRequest;
import dev.chord.v1.ListContextsResponse;
import dev.chord.v1.ListDeltasRequest;
import dev.chord.v1.ListDeltasResponse;
import dev.chord.v1.SyncServiceGrpc;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The calls. All of them wait for their answer, and throw {@link ChordException}; an interrupt of the waiting thread
 * ends them with reason CANCELLED, and one that came before a call keeps it from being sent. They are tried again
 * where that is safe: writes name themselves so that it is. {@link #async} has them as futures. For any number of threads.
 */
public final class ChordClient implements AutoCloseable {
  private final Connection connection;
  private final AsyncCalls async;
  private final Set<Watch> watches;
  private final Set<Answers<?>> streams;
  private final Set<Presence> presences;

  private ChordClient(String address, ClientOptions options) {
    connection = new Connection(address, options);
    async = new AsyncCalls(this, connection);
    watches = ConcurrentHashMap.newKeySet();
    streams = ConcurrentHashMap.newKeySet();
    presences = ConcurrentHashMap.newKeySet();
  }

  private ChordClient(ChordClient other, Connection connection) {
    this.connection = connection;
    async = new AsyncCalls(this, connection);
    watches = other.watches;
    streams = other.streams;
    presences = other.presences;
  }

  /**
   * Connects at the first call.
   *
   * @param address HOST:PORT
   */
  public static ChordClient connect(String address) {
    return connect(address, ClientOptions.builder().build());
  }

  /**
   * Connects at the first call.
   *
   * @param address HOST:PORT
   */
  public static ChordClient connect(String address, ClientOptions options) {
    return new ChordClient(address, options);
  }

  /**
   * The same client with further headers for its calls, watches, replicas and presences: of a request, of a tenant. It shares all
   * else; to close one of them closes both.
   */
  public ChordClient withMetadata(Map<String, String> headers) {
    return new ChordClient(this, connection.with(headers));
  }

  /** The calls as futures. */
  public AsyncCalls async() {
    return async;
  }

  /** Creates a context, or replaces its document. */
  public WriteResult set(String id, Map<String, ?> value) {
    return set(id, value, SetOptions.NONE);
  }

  /** Creates a context, or replaces its document, with options. */
  public WriteResult set(String id, Map<String, ?> value, SetOptions options) {
    return Connection.await(() -> async.set(id, value, options));
  }

  /** Creates a context, or replaces its document, with one that the mapper makes. */
  public WriteResult set(String id, Object value, DocumentMapper mapper) {
    return set(id, value, mapper, SetOptions.NONE);
  }

  /** Creates a context, or replaces its document, with one that the mapper makes, with options. */
  public WriteResult set(String id, Object value, DocumentMapper mapper, SetOptions options) {
    return set(id, mapper.toDocument(value), options);
  }

  /** Changes parts of a document. */
  public WriteResult update(String id, Edit edit) {
    return update(id, edit, UpdateOptions.NONE);
  }

  /** Changes parts of a document, with options. */
  public WriteResult update(String id, Edit edit, UpdateOptions options) {
    return Connection.await(() -> async.update(id, edit, options));
  }

  /** As below, whatever other writes there were. */
  public WriteResult revert(String id, long version) {
    return revert(id, version, RevertOptions.NONE);
  }

  /**
   * Writes the document of an earlier version: a new version, which undoes all changes since. NOT_FOUND above the present version,
   * FAILED_PRECONDITION where the history of that version is no longer retained.
   */
  public WriteResult revert(String id, long version, RevertOptions options) {
    return Connection.await(() -> async.revert(id, version, options));
  }

  /** As below, with a random request id. */
  public List<Write.Result> batch(List<Write> writes) {
    return batch(writes, BatchOptions.NONE);
  }

  /**
   * Several writes as one, each of another context: all happen or none does, and watches deliver them together. Where one is
   * refused, so is the batch; the violations name it: {@code writes[2]}. Answers in the order of the writes.
   *
   * <p>On Redis all contexts must lie in one partition: ids with the same part in braces do, as {@code {room:1}:members} and
   * {@code {room:1}:topic}.
   *
   * @param writes 1 to 100
   */
  public List<Write.Result> batch(List<Write> writes, BatchOptions options) {
    return Connection.await(() -> async.batch(writes, options));
  }

  /** As below, guarding what it changes alone. */
  public WriteResult edit(String id, Consumer<Map<String, @Nullable Object>> change) {
    return edit(id, change, EditOptions.NONE);
  }

  /**
   * Changes a document by a function of it, and loses no write of others: reads the document, calls the function with a copy,
   * which it changes in place, and writes the paths that differ, on the condition that no other write has touched these since.
   * Edits of different paths do not disturb each other. Otherwise it begins again, after a backoff. What the function reads
   * but does not change is guarded only where {@link EditOptions.Builder#reads} names it.
   *
   * <p>The function is called once or more, by this thread; what it throws ends the edit, and nothing is written. Lists and
   * strings are written as a whole. Where nothing differs, nothing is written.
   *
   * @throws ChordException ABORTED after the last attempt; NOT_FOUND where the context is missing and that is not allowed. The
   *     deadline is for the whole edit: where it comes while a write is under way, DEADLINE_EXCEEDED, and the outcome is unknown;
   *     where it comes elsewhere after a conflict, ABORTED
   */
  public WriteResult edit(String id, Consumer<Map<String, @Nullable Object>> change, EditOptions options) {
    return EditCall.run(connection, id, change, options);
  }

  /** The answer contains every write acknowledged before this call. The options {@code version} and {@code at} read the past. */
  public Document get(String id) {
    return get(id, GetOptions.NONE);
  }

  /** Reads a document, with options. The answer contains every write acknowledged before this call. */
  public Document get(String id, GetOptions options) {
    return Connection.await(() -> async.get(id, options));
  }

  /**
   * The document as an object of the program's own.
   *
   * @throws ChordException INVALID_ARGUMENT where it is none; the violation's field is the path inside the document
   */
  public <T> T get(String id, Class<T> type, DocumentMapper mapper) {
    return get(id).as(type, mapper);
  }

  /** Removes a context with its deltas. */
  public DeleteResult delete(String id) {
    return delete(id, DeleteOptions.NONE);
  }

  /** Removes a context with its deltas, with options. */
  public DeleteResult delete(String id, DeleteOptions options) {
    return Connection.await(() -> async.delete(id, options));
  }

  /** The present time to live begins again. Answers without the value. */
  public Document touch(String id) {
    return touch(id, null, TouchOptions.NONE);
  }

  /** A new time to live; zero: until it is deleted. Answers without the value. */
  public Document touch(String id, @Nullable Duration ttl) {
    return touch(id, ttl, TouchOptions.NONE);
  }

  /** @param ttl null: the present one begins again */
  public Document touch(String id, @Nullable Duration ttl, TouchOptions options) {
    return Connection.await(() -> async.touch(id, ttl, options));
  }

  /**
   * Of these members, and not of the context. FAILED_PRECONDITION where one does not expire, or has expired.
   *
   * @param ttl null: the present one begins again
   */
  public Document touch(String id, List<List<String>> paths, @Nullable Duration ttl) {
    return touch(id, paths, ttl, TouchOptions.NONE);
  }

  /**
   * Of these members, and not of the context, with options: see {@link #touch(String, List, Duration)}.
   *
   * @param ttl null: the present one begins again
   */
  public Document touch(String id, List<List<String>> paths, @Nullable Duration ttl, TouchOptions options) {
    return Connection.await(() -> async.touch(id, paths, ttl, options));
  }

  /** As below; failures are logged. */
  public Presence presence(String id, List<String> path, @Nullable Object value, Duration ttl) {
    return presence(id, path, value, ttl, error -> connection.error("a presence failed", error));
  }

  /**
   * Keeps a member of a context there: sets it, now and wherever it has gone, and renews it in time. It goes when the
   * presence or the client is closed, or at most {@code ttl} after this process has died.
   *
   * @param onError is called with failures of renewals and of the removal; the presence goes on
   */
  public Presence presence(
      String id, List<String> path, @Nullable Object value, Duration ttl, Consumer<ChordException> onError) {
    Presence presence = new Presence(this, id, path, value, ttl, onError, presences::remove);
    presences.add(presence);
    return presence;
  }

  /** All contexts whose ids begin with the prefix, ordered by id: read as it is iterated, anew each time. */
  public Iterable<Document> list(String prefix) {
    return list(prefix, ListOptions.NONE);
  }

  /** All contexts whose ids begin with the prefix, with options: read as it is iterated, anew each time. */
  public Iterable<Document> list(String prefix, ListOptions options) {
    ListContextsRequest request = Requests.list(prefix, options);
    return new Pages<>(
        token -> connection.call(
            ContextServiceGrpc.getListContextsMethod(),
            request.toBuilder().setPageToken(token).build(),
            options.deadline),
        ListContextsResponse::getNextPageToken,
        page -> page.getContextsList().stream().map(Conversion::fromContext).toList());
  }

  /**
   * What a copy lacks.
   *
   * @param known where it stands; null: nothing is known
   */
  public SyncResult sync(String id, @Nullable Position known) {
    return sync(id, known, SyncOptions.NONE);
  }

  /** @param known where a copy stands; null: nothing is known */
  public SyncResult sync(String id, @Nullable Position known, SyncOptions options) {
    return Connection.await(() -> async.sync(id, known, options));
  }

  /** As below, without an end. */
  public WaitResult waitFor(String id, List<Check> until) {
    return waitFor(id, until, WaitOptions.NONE);
  }

  /**
   * Answers as {@link #sync} does, as soon as the document meets all checks. A context that does not exist yet can be waited
   * for: it meets none. Goes on across broken connections and restarts of the server, costs the server a watcher, and takes
   * the place of a watch on its connection, not one of the calls in flight.
   *
   * @param until 1 to 100
   * @throws ChordException DEADLINE_EXCEEDED at the end of its time
   */
  public WaitResult waitFor(String id, List<Check> until, WaitOptions options) {
    return Connection.await(() -> async.waitFor(id, until, options));
  }

  /** As below, without an end. */
  public Replica.@Nullable Kept until(String id, Predicate<@Nullable Map<String, @Nullable Object>> holds) {
    return until(id, holds, null);
  }

  /**
   * Waits until a predicate of a document holds, for what no {@link Check} says: watches the context, and calls the predicate with
   * the document, or with null where there is none, when that has come and after each change. It must not block. Counts as a watch.
   *
   * @param timeout null: there is no end
   * @return the document for which it holds, with its position; null where it holds for a missing one
   * @throws ChordException DEADLINE_EXCEEDED at the end of its time; what the predicate throws is thrown
   */
  public Replica.@Nullable Kept until(String id, Predicate<@Nullable Map<String, @Nullable Object>> holds, @Nullable Duration timeout) {
    return Connection.await(() -> async.until(id, holds, timeout));
  }

  /** Whether the server takes calls: its status as a whole. It needs no token. */
  public HealthStatus health() {
    return health("");
  }

  /** The status of one service: {@code chord.v1.SyncService}. NOT_FOUND where the server does not have it. */
  public HealthStatus health(String service) {
    return Connection.await(() -> async.health(service));
  }

  /** The retained history after a version: read as it is iterated, anew each time. */
  public Iterable<DeltaPage> deltas(String id, long fromVersion) {
    return deltas(id, fromVersion, DeltasOptions.NONE);
  }

  /** The retained history after a version, with options: read as it is iterated, anew each time. */
  public Iterable<DeltaPage> deltas(String id, long fromVersion, DeltasOptions options) {
    ListDeltasRequest request = Requests.deltas(id, fromVersion, options);
    return new Pages<>(
        token -> connection.call(
            SyncServiceGrpc.getListDeltasMethod(),
            request.toBuilder().setPageToken(token).build(),
            options.deadline),
        ListDeltasResponse::getNextPageToken,
        page -> List.of(Requests.page(page)));
  }

  /** Which version made each part of the document, and who wrote it: pages, read as they are iterated, anew each time. */
  public Iterable<BlamePage> blame(String id) {
    return blame(id, BlameOptions.NONE);
  }

  /** Which version made each part of the document, or of some paths of it: with options. */
  public Iterable<BlamePage> blame(String id, BlameOptions options) {
    BlameContextRequest request = Requests.blame(id, options);
    return new Pages<>(
        token -> connection.call(
            SyncServiceGrpc.getBlameContextMethod(),
            request.toBuilder().setPageToken(token).build(),
            options.deadline),
        BlameContextResponse::getNextPageToken,
        page -> List.of(Conversion.fromBlame(page)));
  }

  /**
   * What happens to these contexts, without gaps or duplicates, across broken connections and restarts of the server.
   * Connects when the first event is asked for. Close it when done.
   */
  public Watch watch(Target... targets) {
    return watch(List.of(targets), WatchOptions.NONE);
  }

  /** What happens to these contexts, with options: see {@link #watch(Target...)}. */
  public Watch watch(List<Target> targets, WatchOptions options) {
    Watch watch = new Watch(connection, targets, options, watches::remove);
    watches.add(watch);
    if (connection.isClosed()) {
      watch.close();
      throw Connection.closedError();
    }
    return watch;
  }

  /** As below, with the client's deadline and one try. */
  public <Q, A> A call(MethodDescriptor<Q, A> method, Q request) {
    return call(method, request, CallSettings.NONE);
  }

  /**
   * Any call with one answer, by the generated messages and stubs of {@code dev.chord.v1}, for what has no method here: with the
   * connection, token and errors of this client, as one of its calls in flight.
   *
   * <p>{@code client.call(CleanupServiceGrpc.getRunCleanupMethod(), RunCleanupRequest.newBuilder().setDryRun(true).build())}
   */
  public <Q, A> A call(MethodDescriptor<Q, A> method, Q request, CallSettings settings) {
    return Connection.await(() -> async.call(method, request, settings));
  }

  /** The same for those that answer a stream, without a deadline. It counts as a watch, and begins at once. Close it when done. */
  public <Q, A> Answers<A> stream(MethodDescriptor<Q, A> method, Q request) {
    if (connection.isClosed()) throw Connection.closedError();
    Answers<A> answers = Answers.start(connection, method, request, streams::remove);
    streams.add(answers);
    if (answers.isEnded()) streams.remove(answers);
    if (connection.isClosed()) {
      answers.cancel();
      throw Connection.closedError();
    }
    return answers;
  }

  /** Of this client. */
  void warn(String message, Throwable error) {
    connection.warn(message, error);
  }

  /** Of this client. */
  void error(String message, Throwable error) {
    connection.error(message, error);
  }

  boolean isClosed() {
    return connection.isClosed();
  }

  /** Ends all presences, watches and replicas, calls that wait, then the connection. A second time it does nothing. */
  @Override
  public void close() {
    presences.forEach(Presence::end);
    presences.forEach(Presence::close);
    connection.closing();
    watches.forEach(Watch::close);
    streams.forEach(Answers::cancel);
    connection.close();
  }
}

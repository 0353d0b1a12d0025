package dev.chord;

import com.google.protobuf.Struct;
import dev.chord.v1.ContextServiceGrpc;
import dev.chord.v1.DeleteContextRequest;
import dev.chord.v1.DeleteContextResponse;
import dev.chord.v1.GetContextRequest;
import dev.chord.v1.ListContextsRequest;
import dev.chord.v1.ListContextsResponse;
import dev.chord.v1.ListDeltasRequest;
import dev.chord.v1.ListDeltasResponse;
import dev.chord.v1.SetContextRequest;
import dev.chord.v1.SetContextResponse;
import dev.chord.v1.SyncContextRequest;
import dev.chord.v1.SyncContextResponse;
import dev.chord.v1.SyncServiceGrpc;
import dev.chord.v1.TouchContextRequest;
import dev.chord.v1.UpdateContextRequest;
import dev.chord.v1.UpdateContextResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The calls. All of them wait for their answer, and throw {@link ChordException}; an interrupt of the waiting thread
 * ends them with reason CANCELLED. They are tried again where that is safe: writes name themselves so that it is.
 * For any number of threads.
 */
public final class ChordClient implements AutoCloseable {
  private final Connection connection;
  private final Set<Watch> watches = ConcurrentHashMap.newKeySet();

  private ChordClient(String address, ClientOptions options) {
    connection = new Connection(address, options);
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

  /** Creates a context, or replaces its document. */
  public WriteResult set(String id, Map<String, ?> value) {
    return set(id, value, WriteOptions.NONE);
  }

  public WriteResult set(String id, Map<String, ?> value, WriteOptions options) {
    SetContextRequest.Builder request = SetContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setValue(Values.toStruct("value", value))
        .setRequestId(requestId(options))
        .setReturning(options.returning);
    if (options.expected != null) request.setExpected(options.expected);
    if (options.ttl != null) request.setTtl(Conversion.toDuration(options.ttl));
    SetContextResponse answer =
        connection.call(ContextServiceGrpc.getSetContextMethod(), request.build(), options.deadline);
    return written(
        answer.getPosition(),
        answer.getChanged(),
        answer.hasContext() ? answer.getContext() : null,
        answer.hasDelta() ? answer.getDelta() : null);
  }

  /** Changes parts of a document. */
  public WriteResult update(String id, Edit edit) {
    return update(id, edit, WriteOptions.NONE);
  }

  public WriteResult update(String id, Edit edit, WriteOptions options) {
    UpdateContextRequest.Builder request = UpdateContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setAllowMissing(options.allowMissing)
        .setRequestId(requestId(options))
        .setReturning(options.returning);
    if (edit.changes() != null) request.setChanges(Values.toStruct("changes", edit.changes()));
    edit.mutations().forEach(mutation -> request.addMutations(mutation.message));
    if (options.expected != null) request.setExpected(options.expected);
    if (options.ttl != null) request.setTtl(Conversion.toDuration(options.ttl));
    UpdateContextResponse answer =
        connection.call(ContextServiceGrpc.getUpdateContextMethod(), request.build(), options.deadline);
    return written(
        answer.getPosition(),
        answer.getChanged(),
        answer.hasContext() ? answer.getContext() : null,
        answer.hasDelta() ? answer.getDelta() : null);
  }

  /** The answer contains every write acknowledged before this call. */
  public Document get(String id) {
    return get(id, ReadOptions.NONE);
  }

  public Document get(String id, ReadOptions options) {
    GetContextRequest request = GetContextRequest.newBuilder().setContextId(Values.text("context_id", id)).build();
    return Conversion.fromFull(
        connection.call(ContextServiceGrpc.getGetContextMethod(), request, options.deadline).getContext());
  }

  /** Removes a context with its deltas. */
  public DeleteResult delete(String id) {
    return delete(id, WriteOptions.NONE);
  }

  public DeleteResult delete(String id, WriteOptions options) {
    DeleteContextRequest.Builder request = DeleteContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setRequestId(requestId(options))
        .setAllowMissing(options.allowMissing);
    if (options.expected != null) request.setExpected(options.expected);
    DeleteContextResponse answer =
        connection.call(ContextServiceGrpc.getDeleteContextMethod(), request.build(), options.deadline);
    Position position = answer.hasPosition() ? Conversion.fromPosition(answer.getPosition()) : null;
    return new DeleteResult(position, answer.getChanged());
  }

  /** The present time to live begins again. Answers without the value. */
  public Document touch(String id) {
    return touch(id, null, ReadOptions.NONE);
  }

  /** A new time to live; zero: until it is deleted. Answers without the value. */
  public Document touch(String id, Duration ttl) {
    return touch(id, ttl, ReadOptions.NONE);
  }

  /** @param ttl null: the present one begins again */
  public Document touch(String id, Duration ttl, ReadOptions options) {
    TouchContextRequest.Builder request =
        TouchContextRequest.newBuilder().setContextId(Values.text("context_id", id));
    if (ttl != null) request.setTtl(Conversion.toDuration(ttl));
    return Conversion.fromContext(
        connection.call(ContextServiceGrpc.getTouchContextMethod(), request.build(), options.deadline).getContext());
  }

  /** All contexts whose ids begin with the prefix, ordered by id: read as it is iterated, anew each time. */
  public Iterable<Document> list(String prefix) {
    return list(prefix, ReadOptions.NONE);
  }

  public Iterable<Document> list(String prefix, ReadOptions options) {
    ListContextsRequest request = ListContextsRequest.newBuilder()
        .setPrefix(Values.text("prefix", prefix))
        .setIncludeValues(options.includeValues)
        .build();
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
  public SyncResult sync(String id, Position known) {
    return sync(id, known, ReadOptions.NONE);
  }

  public SyncResult sync(String id, Position known, ReadOptions options) {
    SyncContextRequest.Builder request = SyncContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setIncludeOldValues(options.includeOldValues);
    if (known != null) request.setKnown(Conversion.toPosition(known));
    SyncContextResponse answer =
        connection.call(SyncServiceGrpc.getSyncContextMethod(), request.build(), options.deadline);
    return switch (answer.getResultCase()) {
      case FULL -> Conversion.fromFull(answer.getFull());
      case DELTA -> new WatchEvent.Changed(Conversion.fromDelta(answer.getDelta()));
      default -> new SyncResult.NoChange(Conversion.fromPosition(answer.getNoChange().getPosition()));
    };
  }

  /** The retained history after a version: read as it is iterated, anew each time. */
  public Iterable<DeltaPage> deltas(String id, long fromVersion) {
    return deltas(id, fromVersion, ReadOptions.NONE);
  }

  public Iterable<DeltaPage> deltas(String id, long fromVersion, ReadOptions options) {
    ListDeltasRequest request = ListDeltasRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setFromVersion(fromVersion)
        .setIncludeOldValues(options.includeOldValues)
        .build();
    return new Pages<>(
        token -> connection.call(
            SyncServiceGrpc.getListDeltasMethod(),
            request.toBuilder().setPageToken(token).build(),
            options.deadline),
        ListDeltasResponse::getNextPageToken,
        page -> List.of(new DeltaPage(
            page.getDeltasList().stream().map(Conversion::fromDelta).toList(),
            Conversion.fromPosition(page.getHead()),
            page.getTruncated())));
  }

  /**
   * What happens to these contexts, without gaps or duplicates, across broken connections and restarts of the server.
   * Connects when the first event is asked for. Close it when done.
   */
  public Watch watch(Target... targets) {
    return watch(List.of(targets), WatchOptions.NONE);
  }

  public Watch watch(List<Target> targets, WatchOptions options) {
    Watch watch = new Watch(connection, targets, options, watches::remove);
    watches.add(watch);
    if (connection.isClosed()) {
      watch.close();
      throw Connection.closedError();
    }
    return watch;
  }

  /** Ends all watches and replicas, calls that wait, then the connection. */
  @Override
  public void close() {
    watches.forEach(Watch::close);
    connection.close();
  }

  private static WriteResult written(
      dev.chord.v1.Position position, boolean changed, dev.chord.v1.Context context, dev.chord.v1.Delta delta) {
    return new WriteResult(
        Conversion.fromPosition(position),
        changed,
        context != null ? Conversion.fromFull(context) : null,
        delta != null ? Conversion.fromDelta(delta) : null);
  }

  private static String requestId(WriteOptions options) {
    return options.requestId != null ? Values.text("request_id", options.requestId) : UUID.randomUUID().toString();
  }
}

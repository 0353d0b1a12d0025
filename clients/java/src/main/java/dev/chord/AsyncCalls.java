package dev.chord;

import com.google.protobuf.StringValue;
import dev.chord.v1.BatchWriteRequest;
import dev.chord.v1.ContextServiceGrpc;
import dev.chord.v1.DeleteContextRequest;
import dev.chord.v1.RevertContextRequest;
import dev.chord.v1.SetContextRequest;
import dev.chord.v1.SyncServiceGrpc;
import dev.chord.v1.UpdateContextRequest;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The calls of a {@link ChordClient} without a thread that waits. They fail with {@link ChordException}, do the same
 * tries, and share its bound on calls in flight. To cancel a future ends its call. What cannot be sent is thrown at once.
 * What depends on a future runs on gRPC's threads: it must not block.
 */
public final class AsyncCalls {
  private final ChordClient client;
  private final Connection connection;

  AsyncCalls(ChordClient client, Connection connection) {
    this.client = client;
    this.connection = connection;
  }

  /** See {@link ChordClient#set(String, Map)}. */
  public CompletableFuture<WriteResult> set(String id, Map<String, ?> value) {
    return set(id, value, SetOptions.NONE);
  }

  /** See {@link ChordClient#set(String, Map, SetOptions)}. */
  public CompletableFuture<WriteResult> set(String id, Map<String, ?> value, SetOptions options) {
    SetContextRequest request = Requests.set(WriteOptions.name(options.requestId), id, value, options);
    return then(
        connection.start(ContextServiceGrpc.getSetContextMethod(), request, options.deadline), Requests::written);
  }

  /** See {@link ChordClient#set(String, Object, DocumentMapper)}. */
  public CompletableFuture<WriteResult> set(String id, Object value, DocumentMapper mapper) {
    return set(id, value, mapper, SetOptions.NONE);
  }

  /** See {@link ChordClient#set(String, Object, DocumentMapper, SetOptions)}. */
  public CompletableFuture<WriteResult> set(String id, Object value, DocumentMapper mapper, SetOptions options) {
    return set(id, mapper.toDocument(value), options);
  }

  /** See {@link ChordClient#update(String, Edit)}. */
  public CompletableFuture<WriteResult> update(String id, Edit edit) {
    return update(id, edit, UpdateOptions.NONE);
  }

  /** See {@link ChordClient#update(String, Edit, UpdateOptions)}. */
  public CompletableFuture<WriteResult> update(String id, Edit edit, UpdateOptions options) {
    UpdateContextRequest request = Requests.update(WriteOptions.name(options.requestId), id, edit, options);
    return then(
        connection.start(ContextServiceGrpc.getUpdateContextMethod(), request, options.deadline), Requests::written);
  }

  /** See {@link ChordClient#revert(String, long)}. */
  public CompletableFuture<WriteResult> revert(String id, long version) {
    return revert(id, version, RevertOptions.NONE);
  }

  /** See {@link ChordClient#revert(String, long, RevertOptions)}. */
  public CompletableFuture<WriteResult> revert(String id, long version, RevertOptions options) {
    RevertContextRequest request = Requests.revert(WriteOptions.name(options.requestId), id, version, options);
    return then(
        connection.start(ContextServiceGrpc.getRevertContextMethod(), request, options.deadline), Requests::written);
  }

  /** See {@link ChordClient#batch(List)}. */
  public CompletableFuture<List<Write.Result>> batch(List<Write> writes) {
    return batch(writes, BatchOptions.NONE);
  }

  /** See {@link ChordClient#batch(List, BatchOptions)}. */
  public CompletableFuture<List<Write.Result>> batch(List<Write> writes, BatchOptions options) {
    BatchWriteRequest request = Requests.batch(WriteOptions.name(options.requestId), writes);
    return then(
        connection.start(ContextServiceGrpc.getBatchWriteMethod(), request, options.deadline), Requests::written);
  }

  /** See {@link ChordClient#edit(String, Consumer)}. */
  public CompletableFuture<WriteResult> edit(String id, Consumer<Map<String, @Nullable Object>> change) {
    return edit(id, change, EditOptions.NONE);
  }

  /**
   * See {@link ChordClient#edit(String, Consumer, EditOptions)}. The function is called on the thread that has the answer of the
   * read: one of gRPC's, which are those of the channel's executor ({@link ClientOptions.Builder#channel}). It must not block. What
   * it throws is what the future fails with. To cancel the future ends the edit: a function that is running then goes on, and what
   * it has changed is not written.
   */
  public CompletableFuture<WriteResult> edit(
      String id, Consumer<Map<String, @Nullable Object>> change, EditOptions options) {
    return EditCall.start(connection, id, change, options);
  }

  /** See {@link ChordClient#get(String)}. */
  public CompletableFuture<Document> get(String id) {
    return get(id, GetOptions.NONE);
  }

  /** See {@link ChordClient#get(String, GetOptions)}. */
  public CompletableFuture<Document> get(String id, GetOptions options) {
    return then(
        connection.start(ContextServiceGrpc.getGetContextMethod(), Requests.get(id, options), options.deadline),
        Conversion::fromGet);
  }

  /** See {@link ChordClient#get(String, Class, DocumentMapper)}. */
  public <T> CompletableFuture<T> get(String id, Class<T> type, DocumentMapper mapper) {
    return then(get(id), document -> document.as(type, mapper));
  }

  /** See {@link ChordClient#delete(String)}. */
  public CompletableFuture<DeleteResult> delete(String id) {
    return delete(id, DeleteOptions.NONE);
  }

  /** See {@link ChordClient#delete(String, DeleteOptions)}. */
  public CompletableFuture<DeleteResult> delete(String id, DeleteOptions options) {
    DeleteContextRequest request = Requests.delete(WriteOptions.name(options.requestId), id, options);
    return then(
        connection.start(ContextServiceGrpc.getDeleteContextMethod(), request, options.deadline), Requests::deleted);
  }

  /** See {@link ChordClient#touch(String)}. */
  public CompletableFuture<Document> touch(String id) {
    return touch(id, null);
  }

  /** @param ttl null: the present one begins again; zero: until it is deleted */
  public CompletableFuture<Document> touch(String id, @Nullable Duration ttl) {
    return touch(id, ttl, TouchOptions.NONE);
  }

  /** @param ttl null: the present one begins again; zero: until it is deleted */
  public CompletableFuture<Document> touch(String id, @Nullable Duration ttl, TouchOptions options) {
    return touch(id, List.of(), ttl, options);
  }

  /** See {@link ChordClient#touch(String, List, Duration)}. */
  public CompletableFuture<Document> touch(String id, List<List<String>> paths, @Nullable Duration ttl) {
    return touch(id, paths, ttl, TouchOptions.NONE);
  }

  /** See {@link ChordClient#touch(String, List, Duration, TouchOptions)}. */
  public CompletableFuture<Document> touch(
      String id, List<List<String>> paths, @Nullable Duration ttl, TouchOptions options) {
    return then(
        connection.start(
            ContextServiceGrpc.getTouchContextMethod(), Requests.touch(id, paths, ttl), options.deadline),
        answer -> Conversion.fromContext(answer.getContext()));
  }

  /** @param known where a copy stands; null: nothing is known */
  public CompletableFuture<SyncResult> sync(String id, @Nullable Position known) {
    return sync(id, known, SyncOptions.NONE);
  }

  /** @param known where a copy stands; null: nothing is known */
  public CompletableFuture<SyncResult> sync(String id, @Nullable Position known, SyncOptions options) {
    return then(
        connection.start(
            SyncServiceGrpc.getSyncContextMethod(), Requests.sync(id, known, options), options.deadline),
        Requests::synced);
  }

  /** See {@link ChordClient#waitFor(String, List)}. */
  public CompletableFuture<WaitResult> waitFor(String id, List<Check> until) {
    return waitFor(id, until, WaitOptions.NONE);
  }

  /** See {@link ChordClient#waitFor(String, List, WaitOptions)}. */
  public CompletableFuture<WaitResult> waitFor(String id, List<Check> until, WaitOptions options) {
    return then(connection.wait(Requests.wait(id, until, options), options.timeout), Requests::met);
  }

  /** See {@link ChordClient#until(String, Predicate)}. */
  public CompletableFuture<Replica.@Nullable Kept> until(
      String id, Predicate<@Nullable Map<String, @Nullable Object>> holds) {
    return until(id, holds, null);
  }

  /** See {@link ChordClient#until(String, Predicate, Duration)}. */
  public CompletableFuture<Replica.@Nullable Kept> until(
      String id, Predicate<@Nullable Map<String, @Nullable Object>> holds, @Nullable Duration timeout) {
    Replica replica = Replica.open(client, List.of(Target.id(id)), Replica.UNHEARD);
    CompletableFuture<Replica.@Nullable Kept> found = replica.ready().thenCompose(ready -> replica.until(id, holds));
    CompletableFuture<Replica.@Nullable Kept> result = then(found, kept -> kept);
    if (timeout != null) {
      ChordException late = Errors.deadlineExceeded("the predicate did not hold in time");
      CompletableFuture<?> timer = Time.after(Time.nanos(timeout), () -> result.completeExceptionally(late));
      result.whenComplete((done, error) -> timer.cancel(false));
    }
    result.whenComplete((done, error) -> replica.close());
    return result;
  }

  /** See {@link ChordClient#health()}. */
  public CompletableFuture<HealthStatus> health() {
    return health("");
  }

  /** See {@link ChordClient#health(String)}. */
  public CompletableFuture<HealthStatus> health(String service) {
    StringValue request = StringValue.of(Values.text("service", service));
    return then(connection.start(Health.CHECK, request, null), Health::status);
  }

  /** See {@link ChordClient#call(MethodDescriptor, Object)}. */
  public <Q, A> CompletableFuture<A> call(MethodDescriptor<Q, A> method, Q request) {
    return call(method, request, CallSettings.NONE);
  }

  /** See {@link ChordClient#call(MethodDescriptor, Object, CallSettings)}. */
  public <Q, A> CompletableFuture<A> call(MethodDescriptor<Q, A> method, Q request, CallSettings settings) {
    return connection.start(method, request, settings.deadline, settings.policy(connection.retry));
  }

  /** To cancel what a future becomes is to cancel the call. */
  static <A, T extends @Nullable Object> CompletableFuture<T> then(
      CompletableFuture<A> answer, Function<A, T> conversion) {
    CompletableFuture<T> result = new CompletableFuture<>();
    answer.whenComplete((message, error) -> {
      if (error != null) {
        result.completeExceptionally(error instanceof CompletionException e ? e.getCause() : error);
        return;
      }
      try {
        result.complete(conversion.apply(message));
      } catch (RuntimeException | Error e) { // of a mapper, or for a time that Java cannot hold
        result.completeExceptionally(e);
      }
    });
    result.whenComplete((done, error) -> {
      if (result.isCancelled()) answer.cancel(true);
    });
    return result;
  }
}

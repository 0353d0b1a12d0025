package dev.chord;

import com.google.protobuf.StringValue;
import dev.chord.v1.ContextServiceGrpc;
import dev.chord.v1.SyncServiceGrpc;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
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
    return set(id, value, WriteOptions.NONE);
  }

  /** See {@link ChordClient#set(String, Map, WriteOptions)}. */
  public CompletableFuture<WriteResult> set(String id, Map<String, ?> value, WriteOptions options) {
    return then(
        connection.start(
            ContextServiceGrpc.getSetContextMethod(), Requests.set(id, value, options), options.deadline),
        Requests::written);
  }

  /** See {@link ChordClient#update(String, Edit)}. */
  public CompletableFuture<WriteResult> update(String id, Edit edit) {
    return update(id, edit, WriteOptions.NONE);
  }

  /** See {@link ChordClient#update(String, Edit, WriteOptions)}. */
  public CompletableFuture<WriteResult> update(String id, Edit edit, WriteOptions options) {
    return then(
        connection.start(
            ContextServiceGrpc.getUpdateContextMethod(), Requests.update(id, edit, options), options.deadline),
        Requests::written);
  }

  /** See {@link ChordClient#revert(String, long)}. */
  public CompletableFuture<WriteResult> revert(String id, long version, WriteOptions options) {
    return then(
        connection.start(
            ContextServiceGrpc.getRevertContextMethod(), Requests.revert(id, version, options), options.deadline),
        Requests::written);
  }

  /** See {@link ChordClient#batch(List)}. */
  public CompletableFuture<List<WriteResult>> batch(List<Write> writes, WriteOptions options) {
    return then(
        connection.start(ContextServiceGrpc.getBatchWriteMethod(), Requests.batch(writes, options), options.deadline),
        Requests::written);
  }

  /** See {@link ChordClient#get(String)}. */
  public CompletableFuture<Document> get(String id) {
    return get(id, ReadOptions.NONE);
  }

  /** See {@link ChordClient#get(String, ReadOptions)}. */
  public CompletableFuture<Document> get(String id, ReadOptions options) {
    return then(
        connection.start(ContextServiceGrpc.getGetContextMethod(), Requests.get(id, options), options.deadline),
        Conversion::fromGet);
  }

  /** See {@link ChordClient#delete(String)}. */
  public CompletableFuture<DeleteResult> delete(String id) {
    return delete(id, WriteOptions.NONE);
  }

  /** See {@link ChordClient#delete(String, WriteOptions)}. */
  public CompletableFuture<DeleteResult> delete(String id, WriteOptions options) {
    return then(
        connection.start(
            ContextServiceGrpc.getDeleteContextMethod(), Requests.delete(id, options), options.deadline),
        Requests::deleted);
  }

  /** @param ttl null: the present one begins again; zero: until it is deleted */
  public CompletableFuture<Document> touch(String id, @Nullable Duration ttl) {
    return touch(id, ttl, ReadOptions.NONE);
  }

  /** @param ttl null: the present one begins again; zero: until it is deleted */
  public CompletableFuture<Document> touch(String id, @Nullable Duration ttl, ReadOptions options) {
    return touch(id, List.of(), ttl, options);
  }

  /**
   * Of these members, and not of the context. FAILED_PRECONDITION where one does not expire, or has expired.
   *
   * @param ttl null: the present one begins again
   */
  public CompletableFuture<Document> touch(
      String id, List<List<String>> paths, @Nullable Duration ttl, ReadOptions options) {
    return then(
        connection.start(
            ContextServiceGrpc.getTouchContextMethod(),
            Requests.touch(id, paths, ttl, options),
            options.deadline),
        answer -> Conversion.fromContext(answer.getContext()));
  }

  /** @param known where a copy stands; null: nothing is known */
  public CompletableFuture<SyncResult> sync(String id, @Nullable Position known) {
    return sync(id, known, ReadOptions.NONE);
  }

  /** @param known where a copy stands; null: nothing is known */
  public CompletableFuture<SyncResult> sync(String id, @Nullable Position known, ReadOptions options) {
    return then(
        connection.start(
            SyncServiceGrpc.getSyncContextMethod(), Requests.sync(id, known, options), options.deadline),
        Requests::synced);
  }

  /** See {@link ChordClient#waitFor(String, List, WaitOptions)}. */
  public CompletableFuture<WaitResult> waitFor(String id, List<Check> until, WaitOptions options) {
    return then(connection.wait(Requests.wait(id, until, options), options.timeout), Requests::met);
  }

  /** See {@link ChordClient#until(String, Predicate, Duration)}. */
  public CompletableFuture<Replica.@Nullable Kept> until(
      String id, Predicate<@Nullable Map<String, @Nullable Object>> holds, @Nullable Duration timeout) {
    Replica replica = Replica.open(client, List.of(Target.id(id)), Replica.UNHEARD);
    CompletableFuture<Replica.@Nullable Kept> found = replica.ready().thenCompose(ready -> replica.until(id, holds));
    CompletableFuture<Replica.@Nullable Kept> result = then(found, kept -> kept);
    if (timeout != null) {
      ChordException late = Errors.deadlineExceeded("the predicate did not hold in time");
      Time.after(Time.nanos(timeout), () -> result.completeExceptionally(late));
    }
    result.whenComplete((done, error) -> replica.close());
    return result;
  }

  /** See {@link ChordClient#health(String)}. */
  public CompletableFuture<HealthStatus> health(String service) {
    StringValue request = StringValue.of(Values.text("service", service));
    return then(connection.start(Health.CHECK, request, null), Health::status);
  }

  /** See {@link ChordClient#call(MethodDescriptor, Object, CallSettings)}. */
  public <Q, A> CompletableFuture<A> call(MethodDescriptor<Q, A> method, Q request, CallSettings settings) {
    return connection.start(method, request, settings.deadline, settings.policy(connection.retry));
  }

  /** To cancel what a future becomes is to cancel the call. */
  private static <A, T extends @Nullable Object> CompletableFuture<T> then(
      CompletableFuture<A> answer, java.util.function.Function<A, T> conversion) {
    CompletableFuture<T> result = new CompletableFuture<>();
    answer.whenComplete((message, error) -> {
      if (error != null) result.completeExceptionally(error instanceof CompletionException e ? e.getCause() : error);
      else result.complete(conversion.apply(message));
    });
    result.whenComplete((done, error) -> {
      if (result.isCancelled()) answer.cancel(true);
    });
    return result;
  }
}

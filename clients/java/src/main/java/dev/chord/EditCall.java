package dev.chord;

import dev.chord.v1.ContextServiceGrpc;
import dev.chord.v1.GetContextRequest;
import dev.chord.v1.UpdateContextRequest;
import io.grpc.Context;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One edit with all its attempts: reads, calls the function, writes what differs, and begins again on a conflict. Each step runs
 * by an executor when the call before it has its answer.
 */
final class EditCall {
  private final Connection connection;
  private final String id;
  private final Consumer<Map<String, @Nullable Object>> change;
  private final EditOptions options;
  private final Executor executor;
  private final GetContextRequest get;
  private final Context context = Context.current();

  /** By System.nanoTime. */
  private final long end;

  private final CompletableFuture<WriteResult> result = new CompletableFuture<>();

  /** The call or the pause, which ends with the edit. */
  private volatile CompletableFuture<?> running = result;

  private int attempts;

  /** The last one; null: none yet. */
  private @Nullable ChordException conflict;

  /** What comes of a call: one of the two is null. */
  private interface Next<A> {
    void accept(@Nullable A answer, @Nullable ChordException error);
  }

  private EditCall(
      Connection connection,
      String id,
      Consumer<Map<String, @Nullable Object>> change,
      EditOptions options,
      Executor executor) {
    this.connection = connection;
    this.id = id;
    this.change = change;
    this.options = options;
    this.executor = executor;
    get = Requests.get(id, GetOptions.NONE);
    end = System.nanoTime() + Time.nanos(options.deadline != null ? options.deadline : connection.deadline);
  }

  /** No thread waits for it: its steps run where the answers of the calls arrive. */
  static CompletableFuture<WriteResult> start(
      Connection connection, String id, Consumer<Map<String, @Nullable Object>> change, EditOptions options) {
    return new EditCall(connection, id, change, options, Runnable::run).start();
  }

  /** All its steps run on this thread, which waits for the answers; so the function's exception is thrown as it is. */
  static WriteResult run(
      Connection connection, String id, Consumer<Map<String, @Nullable Object>> change, EditOptions options) {
    Connection.refuseInterrupted("the edit");
    BlockingQueue<Runnable> steps = new LinkedBlockingQueue<>();
    CompletableFuture<WriteResult> result = new EditCall(connection, id, change, options, steps::add).start();
    result.whenComplete((done, error) -> steps.add(() -> {})); // ends the wait for a step
    try {
      while (!result.isDone()) steps.take().run();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // ends the wait below
    }
    return Connection.await(result);
  }

  private CompletableFuture<WriteResult> start() {
    connection.endWithClient(result);
    result.whenComplete((done, error) -> running.cancel(true));
    read();
    return result;
  }

  private void read() {
    attempts++;
    call(ContextServiceGrpc.getGetContextMethod(), get, (answer, error) -> {
      if (answer != null) {
        Document found = Conversion.fromGet(answer);
        write(found.whole(), found.position());
      } else if (error != null && options.allowMissing && error.reason().equals("NOT_FOUND")) {
        write(Map.of(), null);
      } else {
        fail(error);
      }
    });
  }

  /** @param position null: the context is missing */
  private void write(Map<String, @Nullable Object> value, @Nullable Position position) {
    Map<String, @Nullable Object> copy = Values.copy(value);
    change.accept(copy);
    // Numbers of other types become those that come back, to be compared.
    Map<String, @Nullable Object> changed = Values.fromStruct(Values.toStruct("value", copy));
    List<Mutation> mutations = Differences.between(value, changed);
    if (mutations.isEmpty() && position != null) {
      result.complete(new WriteResult(position, false, null, null));
      return;
    }
    if (left() == 0) {
      fail(Errors.deadlineExceeded("the function has taken all the time of the edit"));
      return;
    }
    UpdateOptions guarded = guarded(position, mutations);
    UpdateContextRequest update =
        Requests.update(WriteOptions.name(guarded.requestId), id, new Edit(null, mutations), guarded);
    call(ContextServiceGrpc.getUpdateContextMethod(), update, (answer, error) -> {
      if (answer != null) result.complete(Requests.written(answer));
      else if (error != null && error.code() == Status.Code.ABORTED) again(error);
      else result.completeExceptionally(error); // at the deadline, it may have been written
    });
  }

  private UpdateOptions guarded(@Nullable Position position, List<Mutation> mutations) {
    UpdateOptions.Builder write = options.write();
    if (position == null) return write.ifAbsent().allowMissing().build();
    if (options.readsDocument) return write.ifPosition(position).build();
    List<List<String>> paths = new ArrayList<>(options.reads);
    mutations.forEach(mutation -> paths.add(mutation.message.getPathList()));
    return write.ifUnchanged(position, paths).build();
  }

  private void again(ChordException conflict) {
    this.conflict = conflict;
    if (attempts >= (options.attempts > 0 ? options.attempts : connection.retry.attempts())) {
      result.completeExceptionally(conflict);
      return;
    }
    long wait = Math.min(Time.nanos(connection.retry.backoff(attempts - 1)), left() / 2);
    runs(Time.after(wait, () -> executor.execute(context.wrap(() -> step(this::read)))));
  }

  /** Before the write of an attempt: nothing was written, and after a conflict, that is why the time was not enough. */
  private void fail(@Nullable ChordException error) {
    boolean late = error == null || error.code() == Status.Code.DEADLINE_EXCEEDED;
    result.completeExceptionally(conflict != null && late ? conflict : error);
  }

  /** What depends on the answer is there before the call begins: so it never runs on the thread that begins the call. */
  private <Q, A> void call(MethodDescriptor<Q, A> method, Q request, Next<A> next) {
    Call<Q, A> call = connection.prepare(method, request, left(), connection.retry);
    call.answer.whenComplete((answer, error) ->
        executor.execute(() -> step(() -> next.accept(answer, (ChordException) error))));
    runs(call.answer);
    call.attempt();
  }

  private void runs(CompletableFuture<?> next) {
    running = next;
    if (result.isDone()) next.cancel(true);
  }

  /** What it throws ends the edit, and is thrown: to the caller, where the step runs on the caller's thread. */
  private void step(Runnable step) {
    if (result.isDone()) return;
    try {
      step.run();
    } catch (Throwable e) {
      result.completeExceptionally(e);
      throw e;
    }
  }

  private long left() {
    return Math.max(0, end - System.nanoTime());
  }
}

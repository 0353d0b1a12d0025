package dev.chord;

import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One edit with all its attempts: reads, calls the function, writes what differs, and begins again on a conflict. */
final class EditCall {
  private final ChordClient client;
  private final String id;
  private final Consumer<Map<String, @Nullable Object>> change;
  private final EditOptions options;

  /** The document; without a position where the context is missing. */
  private record Read(Map<String, @Nullable Object> value, @Nullable Position position) {}

  /** By System.nanoTime. */
  private final long end;

  /** The last one; null: none yet. */
  private @Nullable ChordException conflict;

  EditCall(
      ChordClient client, String id, Consumer<Map<String, @Nullable Object>> change, EditOptions options, Duration deadline) {
    this.client = client;
    this.id = id;
    this.change = change;
    this.options = options;
    end = System.nanoTime() + Time.nanos(deadline);
  }

  WriteResult run(RetryPolicy retry) {
    int attempts = options.attempts > 0 ? options.attempts : retry.attempts();
    for (int made = 1; ; made++) {
      WriteResult result = attempt();
      if (result != null) return result;
      if (made >= attempts) throw Objects.requireNonNull(conflict);
      pause(Time.min(retry.backoff(made - 1), left().dividedBy(2)));
    }
  }

  /** Null: there is a conflict. */
  private @Nullable WriteResult attempt() {
    Read read = read();
    Map<String, @Nullable Object> copy = Values.copy(read.value);
    change.accept(copy);
    // Numbers of other types become those that come back, to be compared.
    Map<String, @Nullable Object> changed = Values.fromStruct(Values.toStruct("value", copy));
    List<Mutation> mutations = Differences.between(read.value, changed);
    if (mutations.isEmpty() && read.position != null) return new WriteResult(read.position, false, null, null);
    try {
      return client.update(id, new Edit(null, mutations), guarded(read, mutations));
    } catch (ChordException error) {
      if (error.code() != Status.Code.ABORTED) throw told(error);
      conflict = error;
      return null;
    }
  }

  private Read read() {
    try {
      Document found = client.get(id, GetOptions.builder().deadline(left()).build());
      return new Read(found.whole(), found.position());
    } catch (ChordException error) {
      if (!options.allowMissing || !error.reason().equals("NOT_FOUND")) throw told(error);
      return new Read(Map.of(), null);
    }
  }

  private UpdateOptions guarded(Read read, List<Mutation> mutations) {
    UpdateOptions.Builder write = options.write().deadline(left());
    if (read.position == null) return write.ifAbsent().allowMissing().build();
    if (options.readsDocument) return write.ifPosition(read.position).build();
    List<List<String>> paths = new ArrayList<>(options.reads);
    mutations.forEach(mutation -> paths.add(mutation.message.getPathList()));
    return write.ifUnchanged(read.position, paths).build();
  }

  /** After a conflict, that is why the time was not enough. */
  private ChordException told(ChordException error) {
    return conflict != null && error.code() == Status.Code.DEADLINE_EXCEEDED ? conflict : error;
  }

  private Duration left() {
    return Duration.ofNanos(Math.max(0, end - System.nanoTime()));
  }

  private static void pause(Duration wait) {
    try {
      TimeUnit.NANOSECONDS.sleep(wait.toNanos());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Errors.cancelled("interrupted while waiting to edit again", e);
    }
  }
}

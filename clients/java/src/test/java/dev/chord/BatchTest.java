package dev.chord;

import static dev.chord.FaultyServer.caughtUp;
import static dev.chord.FaultyServer.delta;
import static dev.chord.FaultyServer.full;
import static dev.chord.FaultyServer.more;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.chord.v1.Change;
import dev.chord.v1.ChangeAction;
import dev.chord.v1.WatchContextsResponse;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(240)
class BatchTest {
  private static final ClientOptions FAST = ClientOptions.builder()
      .retry(RetryPolicy.DEFAULT.withBackoff(Duration.ofMillis(1), Duration.ofMillis(5)))
      .build();

  private static final List<Target> ALL = List.of(Target.prefix(""));

  private static long known(dev.chord.v1.WatchContextsRequest request, String id) {
    return request.getSubscriptions(0).getKnownOrDefault(id, FaultyServer.position(0)).getVersion();
  }

  /** The first connection breaks inside of a batch. */
  private static FaultyServer torn() throws Exception {
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      if (number == 1) {
        for (WatchContextsResponse each :
            List.of(full("a", 1), full("b", 1), caughtUp(), more(delta("a", 1, 2)))) stream.onNext(each);
        stream.onError(Status.UNAVAILABLE.asRuntimeException());
      } else if (known(request, "a") != 1 || known(request, "b") != 1) {
        stream.onError(Status.INVALID_ARGUMENT.withDescription("knows a part of a batch").asRuntimeException());
      } else {
        for (WatchContextsResponse each :
            List.of(caughtUp(), more(delta("a", 1, 2)), delta("b", 1, 2))) stream.onNext(each);
      }
    };
    return new FaultyServer(onWatch);
  }

  @Test
  void arriveWhole() throws Exception {
    try (FaultyServer server = torn(); ChordClient client = ChordClient.connect(server.address(), FAST)) {
      Watch watch = client.watch(ALL, WatchOptions.NONE);
      List<String> seen = new ArrayList<>();
      while (seen.size() < 6) {
        WatchEvent event = Live.take(watch);
        if (event instanceof WatchEvent.Full full) seen.add(full.document().id());
        else if (event instanceof WatchEvent.Changed changed) {
          seen.add(changed.delta().id() + changed.delta().to().version() + (event.more() ? "+" : ""));
        } else seen.add("|");
      }
      assertEquals(List.of("a", "b", "|", "|", "a2+", "b2"), seen);
    }
  }

  @Test
  void areAppliedAsOne() throws Exception {
    AtomicReference<Replica> copy = new AtomicReference<>();
    BlockingQueue<String> calls = new LinkedBlockingQueue<>();
    ReplicaListener listener = change -> {
      synchronized (copy) {
        List<Long> versions = new ArrayList<>();
        for (String id : List.of("a", "b")) {
          Position at = copy.get().position(id);
          versions.add(at == null ? 0 : at.version());
        }
        calls.add(change.id() + versions);
      }
    };
    try (FaultyServer server = torn(); ChordClient client = ChordClient.connect(server.address(), FAST)) {
      synchronized (copy) {
        copy.set(Replica.open(client, ALL, listener));
      }
      List<String> seen = new ArrayList<>();
      for (int i = 0; i < 4; i++) seen.add(calls.poll(20, TimeUnit.SECONDS));
      assertEquals(List.of("a[1, 0]", "b[1, 1]", "a[2, 2]", "b[2, 2]"), seen);
    }
  }

  /** The second delta of a batch removes what is not there: the first one is not applied, and both come whole. */
  @Test
  void areAppliedInNoPart() throws Exception {
    Change none = Change.newBuilder().addPath("none").setAction(ChangeAction.CHANGE_ACTION_REMOVED).build();
    WatchContextsResponse sound = delta("b", 1, 2);
    WatchContextsResponse misfit = sound.toBuilder().setDelta(sound.getDelta().toBuilder().addChanges(none)).build();
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      if (number == 1) {
        for (WatchContextsResponse each :
            List.of(full("a", 1), full("b", 1), caughtUp(), more(delta("a", 1, 2)), misfit)) stream.onNext(each);
      } else if (known(request, "a") == 0 && known(request, "b") == 0) {
        stream.onNext(full("a", 3));
        stream.onNext(full("b", 3));
      } else {
        stream.onError(Status.INVALID_ARGUMENT.withDescription("knows too much").asRuntimeException());
      }
    };
    List<Long> versions = new ArrayList<>();
    try (FaultyServer server = new FaultyServer(onWatch);
        ChordClient client = ChordClient.connect(server.address(), FAST)) {
      Replica replica = Replica.open(client, ALL, change -> versions.add(change.position().version()));
      replica.waitFor("b", Position.parse("3")).get(20, TimeUnit.SECONDS);
      replica.close();
      assertTrue(versions.size() >= 3 && !versions.contains(2L), versions::toString);
    }
  }
}

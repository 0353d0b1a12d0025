package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/** What tests against the shared server have in common: a client, and ids that no other test has. */
@Timeout(240)
abstract class Live {
  static final Duration PATIENCE = Duration.ofSeconds(20);

  /** So long that a delta is smaller than the document. */
  static final String REST = "long enough that a delta is smaller than the document, even a merged one: ".repeat(3);

  private static final AtomicInteger SCOPES = new AtomicInteger();

  ChordClient client;
  private String scope;

  @BeforeEach
  void connect() {
    client = ChordClient.connect(TestServer.shared().address);
    scope = "java/" + SCOPES.incrementAndGet() + "/";
  }

  @AfterEach
  void disconnect() {
    if (client != null) client.close();
  }

  String id(String name) {
    return scope + name;
  }

  static Map<String, Object> json(String text) {
    return Json.map(Json.parse(text));
  }

  static ChordException fails(String reason, Executable call) {
    ChordException failed = assertThrows(ChordException.class, call);
    assertEquals(reason, failed.reason(), failed::toString);
    return failed;
  }

  static <E extends WatchEvent> E expect(Class<E> type, Watch watch) {
    return assertInstanceOf(type, take(watch));
  }

  static WatchEvent take(Watch watch) {
    return watch.poll(PATIENCE).orElseThrow(() -> new AssertionError("no event in time"));
  }

  /** A replica that is ready, and wakes {@link #until} with each change. */
  Replica copy(List<Target> targets, ReplicaListener... listeners) {
    Replica replica = Replica.open(client, targets, listeners);
    replica.addListener(change -> {
      synchronized (this) {
        notifyAll();
      }
    });
    replica.awaitReady(PATIENCE);
    return replica;
  }

  synchronized void until(BooleanSupplier condition) throws InterruptedException {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      long left = (end - System.nanoTime()) / 1_000_000;
      assertTrue(left > 0, "not in time");
      wait(left);
    }
  }
}

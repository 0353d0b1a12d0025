package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RestartTest extends Live {
  /** One server on LMDB goes and comes back on the same port; a watch, a replica and calls go on. */
  @Test
  void restart(@TempDir Path folder) throws Exception {
    TestServer server = serve(folder, "127.0.0.1:0");
    client.close();
    client = ChordClient.connect(server.address);
    for (String id : List.of("a", "p:1", "p:2")) client.set(id, Map.of("n", 1, "rest", REST));
    BlockingQueue<String> broken = new LinkedBlockingQueue<>();
    WatchOptions options =
        WatchOptions.builder().onDisconnect((error, delay) -> broken.add(error.reason())).build();
    Watch watch = client.watch(List.of(Target.id("a"), Target.prefix("p:")), options);
    for (int i = 0; i < 3; i++) expect(WatchEvent.Full.class, watch);
    expect(WatchEvent.CaughtUp.class, watch);
    Replica replica = copy(List.of(Target.prefix("")));

    for (int n = 2; n <= 3; n++) {
      if (n == 2) server.close();
      else server.kill();
      server = serve(folder, server.address);
      client.update("a", Edit.merge(Map.of("n", n)));
      client.delete("p:" + (n - 1));
      client.set("p:" + (n + 1), Map.of("n", n));
      Set<String> seen = new TreeSet<>();
      for (int i = 0; i < 4; i++) seen.add(text(take(watch)));
      assertEquals(Set.of("a: n is " + n, "deleted p:" + (n - 1), "full p:" + (n + 1), "caught up"), seen);
      assertEquals("UNAVAILABLE", broken.take());
    }
    // In the order of its watch, this comes last.
    Position last = client.set("a", Map.of("last", true)).position();
    WatchEvent event = take(watch);
    assertEquals(last, event instanceof WatchEvent.Changed changed
        ? changed.delta().to()
        : ((WatchEvent.Full) event).document().position());
    until(() -> last.equals(replica.position("a")));
    until(() -> replica.ids().equals(Set.of("a", "p:3", "p:4")));
    for (String id : replica.ids()) assertEquals(client.get(id).value(), replica.get(id));
    client.close();
    server.close();
  }

  private static TestServer serve(Path folder, String address) {
    return TestServer.start("--backend", "lmdb", "--data-dir", folder.toString(), "--listen", address);
  }

  private static String text(WatchEvent event) {
    if (event instanceof WatchEvent.Full full) return "full " + full.document().id();
    if (event instanceof WatchEvent.Deleted deleted) return "deleted " + deleted.id();
    if (event instanceof WatchEvent.CaughtUp) return "caught up";
    Delta delta = ((WatchEvent.Changed) event).delta();
    Change.Modified change = (Change.Modified) delta.changes().get(0);
    return delta.id() + ": " + change.path().get(0) + " is " + ((Double) change.value()).intValue();
  }
}

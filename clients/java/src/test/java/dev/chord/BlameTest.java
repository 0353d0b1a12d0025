package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BlameTest extends Live {
  private static final Map<String, String> TICKET = Map.of("ticket", "7");

  @Test
  void authorsAndAnnotations(@TempDir Path directory) throws Exception {
    try (TestServer server = knowingAnn(directory);
        ChordClient ann = ChordClient.connect(
            server.address, ClientOptions.builder().token("secret").build())) {
      SetOptions noted = SetOptions.builder().annotations(TICKET).returnDelta().build();
      WriteResult set = ann.set("a", json("{'topic':'daily','list':[1]}"), noted);
      Provenance first = new Provenance(false, "ann", TICKET);
      Provenance second = new Provenance(false, "ann", Map.of());
      assertEquals(first, set.delta().provenance());
      WriteResult updated = ann.update("a", Edit.of(Mutation.append(List.of("list"), List.of(2))));

      List<Provenance> provenances = new ArrayList<>();
      ann.deltas("a", 0).forEach(page -> page.deltas().forEach(delta -> provenances.add(delta.provenance())));
      assertEquals(List.of(first, second), provenances);

      List<BlameLine> lines = new ArrayList<>();
      for (BlamePage page : ann.blame("a")) {
        assertEquals(updated.position(), page.position());
        assertEquals(0, page.olderThan());
        lines.addAll(page.lines());
      }
      lines.forEach(line -> assertNotNull(line.updatedAt()));
      assertEquals(
          List.of(
              line(List.of("list"), 0, 1, List.of(1.0), 1, lines.get(0), first),
              line(List.of("list"), 1, 1, List.of(2.0), 2, lines.get(1), second),
              line(List.of("topic"), 0, 5, "daily", 1, lines.get(2), first)),
          lines);
      List<BlameLine> some = new ArrayList<>();
      ann.blame("a", BlameOptions.builder().paths(List.of(List.of("list"))).build()).forEach(page -> some.addAll(page.lines()));
      assertEquals(lines.subList(0, 2), some);

      assertTrue(ann.delete("a", DeleteOptions.builder().annotations(TICKET).build()).changed());
      fails("NOT_FOUND", () -> ann.blame("a").forEach(page -> {}));
    }
  }

  @Test
  void whatCannotBeAsked() {
    SetOptions unnamed = SetOptions.builder().annotations(Map.of("", "no key")).build();
    fails("INVALID_ARGUMENT", () -> client.set(id("a"), Map.of(), unnamed));
    fails("INVALID_ARGUMENT", () -> SetOptions.builder().annotations(Map.of("half", "\ud800")));
    fails("INVALID_ARGUMENT", () -> BlameOptions.builder().paths(List.of(List.of("\ud800"))));
  }

  private static BlameLine line(
      List<String> path, long index, long count, Object value, long version, BlameLine at, Provenance by) {
    return new BlameLine(path, new BlameLine.Run(index, count), value, version, at.updatedAt(), by);
  }

  private static TestServer knowingAnn(Path directory) throws Exception {
    byte[] hash = MessageDigest.getInstance("SHA-256").digest("secret".getBytes(StandardCharsets.UTF_8));
    Path tokens = Files.writeString(
        directory.resolve("tokens"), "ann sha256:" + HexFormat.of().formatHex(hash) + "\n");
    Path rules = Files.writeString(
        directory.resolve("rules.json"),
        "{\"identities\":{\"ann\":{\"grants\":[{\"prefix\":\"\",\"rights\":[\"read\",\"write\"]}]}}}");
    return TestServer.start(
        "--backend", "memory", "--listen", "127.0.0.1:0",
        "--auth-tokens", tokens.toString(), "--auth-rules", rules.toString());
  }
}

package dev.chord;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A Chord server, a process of its own: CHORD_SERVER_COMMAND, or the repository's. */
final class TestServer implements AutoCloseable {
  static final Path ROOT = Path.of("../..").toAbsolutePath().normalize();
  private static final Pattern SERVING = Pattern.compile("serving on (\\S+:\\d+)");
  private static TestServer shared;
  private static boolean told;

  final String address;
  private final Process process;

  private TestServer(String address, Process process) {
    this.address = address;
    this.process = process;
  }

  /** One in memory for all tests, which use ids of their own. */
  static synchronized TestServer shared() {
    if (shared == null) {
      shared = start("--backend", "memory", "--listen", "127.0.0.1:0");
      Runtime.getRuntime().addShutdownHook(new Thread(shared::close));
    }
    return shared;
  }

  /** Returns when it serves. Skips the test where there is none to start. */
  static TestServer start(String... args) {
    List<String> command = command();
    // It never refuses a call because its event loop is late: tests share their machine with other tests.
    command.addAll(List.of("serve", "--log-level", "error", "--max-event-loop-delay", "off"));
    command.addAll(List.of(args));
    ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
    // The server would take settings from them, and refuses those that it does not know.
    builder.environment().keySet().removeIf(name -> name.startsWith("CHORD_"));
    try {
      Process process = builder.start();
      BufferedReader lines = process.inputReader(StandardCharsets.UTF_8);
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        Matcher serving = SERVING.matcher(line);
        if (serving.find()) return new TestServer(serving.group(1), process);
      }
      throw new AssertionError("the server did not start");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> command() {
    String set = System.getenv("CHORD_SERVER_COMMAND");
    if (set != null && !set.isBlank()) return new ArrayList<>(List.of(set.trim().split("\\s+")));
    Path main = ROOT.resolve("dist/main.js");
    String missing = !Files.exists(main) ? main + " is not built" : !hasNode() ? "node is not installed" : null;
    if (missing != null && !told) System.err.println("tests are skipped, no server: " + missing);
    told = true;
    assumeTrue(missing == null, () -> "no server: " + missing + ", and CHORD_SERVER_COMMAND is not set");
    return new ArrayList<>(List.of("node", main.toString()));
  }

  private static boolean hasNode() {
    return Pattern.compile(java.io.File.pathSeparator).splitAsStream(System.getenv("PATH"))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, "node")));
  }

  /** SIGTERM: streams hear that it closes. */
  @Override
  public void close() {
    process.destroy();
    process.onExit().join();
  }

  /** SIGKILL: connections break. */
  void kill() {
    process.destroyForcibly();
    process.onExit().join();
  }
}

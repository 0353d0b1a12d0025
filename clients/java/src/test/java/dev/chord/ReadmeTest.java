package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples are compiled as they stand, run, and print what the README says. */
class ReadmeTest extends Live {
  private static final Pattern QUICKSTART = Pattern.compile("```java\n(.*?)```\n\n```\n(.*?)```\n", Pattern.DOTALL);
  private static final Pattern CONDITIONS = Pattern.compile("## Conditions.*?\n## ", Pattern.DOTALL);
  private static final Pattern JAVA = Pattern.compile("```java\n(.*?)```\n", Pattern.DOTALL);

  private URLClassLoader classes;

  @Test
  void quickstart(@TempDir Path folder) throws Exception {
    Matcher found = QUICKSTART.matcher(Files.readString(Path.of("README.md")));
    assertTrue(found.find());
    String code = found.group(1).replace("127.0.0.1:50051", TestServer.shared().address);
    Method main = compiled(folder, "Quickstart", code).getMethod("main", String[].class);
    assertEquals(found.group(2), printed(() -> main.invoke(null, (Object) new String[0])));
  }

  @Test
  void conditions(@TempDir Path folder) throws Exception {
    Matcher section = CONDITIONS.matcher(Files.readString(Path.of("README.md")));
    assertTrue(section.find());
    String statements = JAVA.matcher(section.group()).results().map(each -> each.group(1)).collect(Collectors.joining());
    String code = """
        import dev.chord.*;
        import java.time.Duration;
        import java.util.*;
        public class Conditions {
          public static void run(ChordClient client, Position position) {
            %s
          }
        }
        """.formatted(statements);
    Position at = client.set(id("room:1"), Map.of("topic", "daily", "seats", 0, "status", "ready")).position();
    Method run = compiled(folder, "Conditions", code).getMethod("run", ChordClient.class, Position.class);
    String printed = printed(() -> run.invoke(null, client, at));
    assertTrue(printed.startsWith("[Failed[check=AtLeast[path=[seats], limit=1.0]]] at "), printed);
    assertTrue(section.group().contains(printed.substring(0, printed.indexOf(" at "))));
    assertEquals("weekly!", client.get(id("room:1")).value().get("topic"));
  }

  /** Each with what its text speaks of as parameters. */
  @Test
  void theOtherExamplesCompile(@TempDir Path folder) throws Exception {
    String text = Files.readString(Path.of("README.md"));
    AtomicInteger number = new AtomicInteger();
    String methods = JAVA.matcher(text.substring(text.indexOf("## Calls"))).results()
        .map(each -> """
            static void example%d(
                ChordClient client, Position position, Map<String, Position> positions, Edit edit, Map<String, Object> value,
                ClientInterceptor interceptor, Executor executor) {
              %s
            }
            """.formatted(number.incrementAndGet(), each.group(1)))
        .collect(Collectors.joining());
    assertTrue(number.get() > 5);
    compiled(folder, "Examples", """
        import dev.chord.*;
        import dev.chord.v1.CleanupServiceGrpc;
        import dev.chord.v1.ExportContextsRequest;
        import dev.chord.v1.ExportContextsResponse;
        import dev.chord.v1.RunCleanupRequest;
        import dev.chord.v1.TransferServiceGrpc;
        import io.grpc.ClientInterceptor;
        import java.time.Duration;
        import java.util.*;
        import java.util.concurrent.Executor;
        public class Examples {
          %s
        }
        """.formatted(methods));
  }

  private Class<?> compiled(Path folder, String name, String code) throws Exception {
    Path source = folder.resolve(name + ".java");
    Files.writeString(source, code.replace("room:1", id("room:1")));
    int failed = ToolProvider.getSystemJavaCompiler()
        .run(null, null, null, "-cp", System.getProperty("java.class.path"), source.toString());
    assertEquals(0, failed);
    classes = new URLClassLoader(new URL[] {folder.toUri().toURL()});
    return classes.loadClass(name);
  }

  @AfterEach
  void unload() throws IOException {
    if (classes != null) classes.close();
  }

  private static String printed(Callable<?> run) throws Exception {
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      run.call();
    } finally {
      System.setOut(before);
    }
    return printed.toString(StandardCharsets.UTF_8);
  }
}

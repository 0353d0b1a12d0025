package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The quickstart is compiled as it stands, run, and prints what the README says. */
class ReadmeTest extends Live {
  private static final Pattern QUICKSTART = Pattern.compile("```java\n(.*?)```\n\n```\n(.*?)```\n", Pattern.DOTALL);

  @Test
  void quickstart(@TempDir Path folder) throws Exception {
    Matcher found = QUICKSTART.matcher(Files.readString(Path.of("README.md")));
    assertTrue(found.find());
    Path source = folder.resolve("Quickstart.java");
    String code = found.group(1).replace("127.0.0.1:50051", TestServer.shared().address);
    Files.writeString(source, code.replace("room:1", id("room:1")));
    int failed = ToolProvider.getSystemJavaCompiler()
        .run(null, null, null, "-cp", System.getProperty("java.class.path"), source.toString());
    assertEquals(0, failed);
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (URLClassLoader classes = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      classes.loadClass("Quickstart").getMethod("main", String[].class).invoke(null, (Object) new String[0]);
    } finally {
      System.setOut(before);
    }
    assertEquals(found.group(2), printed.toString(StandardCharsets.UTF_8));
  }
}

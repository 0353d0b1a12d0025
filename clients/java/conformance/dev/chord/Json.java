package dev.chord;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.ToNumberPolicy;
import java.util.List;
import java.util.Map;

/** JSON as maps, lists and doubles; -0.0 stays what it is. */
final class Json {
  private static final Gson GSON = new GsonBuilder()
      .setObjectToNumberStrategy(ToNumberPolicy.DOUBLE)
      .serializeNulls()
      .disableHtmlEscaping()
      .create();

  private Json() {}

  static Object parse(String text) {
    return GSON.fromJson(text, Object.class);
  }

  static String write(Object value) {
    return GSON.toJson(value);
  }

  @SuppressWarnings("unchecked") // JSON has no other maps
  static Map<String, Object> map(Object value) {
    return (Map<String, Object>) value;
  }

  @SuppressWarnings("unchecked") // JSON has no other lists
  static List<Object> list(Object value) {
    return (List<Object>) value;
  }
}

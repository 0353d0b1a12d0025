package dev.chord;

import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** google.protobuf.Struct and Value from and to Java's maps, lists and scalars. */
final class Values {
  /** The deepest nesting of a document that a server takes; the root object is level 1. */
  private static final int DEPTH_MAX = 32;

  /** From here on, not every integer is a double. */
  private static final double INTEGER_MAX = 1L << 53;

  private Values() {}

  /**
   * @param field of the request: where the paths of errors begin
   * @throws ChordException INVALID_ARGUMENT for what is not JSON
   */
  static Struct toStruct(String field, Map<String, ?> object) {
    return struct(new Path(null, field), object, 1);
  }

  /** @throws ChordException INVALID_ARGUMENT for what is not JSON */
  static Value toValue(String field, @Nullable Object value) {
    return value(new Path(null, field), value, 0);
  }

  /** @throws ChordException INVALID_ARGUMENT for what is not JSON */
  static List<Value> toValues(String field, List<?> values) {
    List<Value> converted = new ArrayList<>(values.size());
    Path list = new Path(null, field);
    for (@Nullable Object each : values) converted.add(value(new Path(list, converted.size()), each, 0));
    return converted;
  }

  /**
   * Where a value stands, from its end to the root, so that a way that is right costs no text.
   *
   * @param step a field, a key, or an index
   */
  private record Path(@Nullable Path parent, Object step) {
    private static final Pattern PLAIN = Pattern.compile("[\\p{L}\\p{N}_]+");

    @Override
    public String toString() {
      if (parent == null) return (String) step;
      if (step instanceof Integer index) return parent + "[" + index + "]";
      String key = (String) step;
      return PLAIN.matcher(key).matches() ? parent + "." + key : parent + "[" + quoted(key) + "]";
    }

    ChordException refusal(String problem) {
      return Errors.unsendable(toString(), problem);
    }
  }

  private static String quoted(String key) {
    return '"' + key.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }

  static Map<String, @Nullable Object> fromStruct(Struct struct) {
    Map<String, Value> fields = struct.getFieldsMap();
    Map<String, @Nullable Object> object = new LinkedHashMap<>(fields.size() * 4 / 3 + 1);
    fields.forEach((key, value) -> object.put(key, fromValue(value)));
    return Collections.unmodifiableMap(object);
  }

  /** A copy that cannot be written to. */
  static Map<String, @Nullable Object> frozen(Map<String, @Nullable Object> object) {
    Map<String, @Nullable Object> copy = new LinkedHashMap<>(object.size() * 4 / 3 + 1);
    object.forEach((key, value) -> copy.put(key, frozenValue(value)));
    return Collections.unmodifiableMap(copy);
  }

  private static @Nullable Object frozenValue(@Nullable Object value) {
    if (value instanceof List<?> list) {
      List<@Nullable Object> copy = new ArrayList<>(list.size());
      list.forEach(each -> copy.add(frozenValue(each)));
      return Collections.unmodifiableList(copy);
    }
    if (!(value instanceof Map<?, ?> map)) return value;
    @SuppressWarnings("unchecked") // documents have no other maps
    Map<String, @Nullable Object> object = (Map<String, @Nullable Object>) map;
    return frozen(object);
  }

  /** A copy to write to. */
  static Map<String, @Nullable Object> copy(Map<String, @Nullable Object> object) {
    Map<String, @Nullable Object> copy = new LinkedHashMap<>(object.size() * 4 / 3 + 1);
    object.forEach((key, value) -> copy.put(key, copyOf(value)));
    return copy;
  }

  private static @Nullable Object copyOf(@Nullable Object value) {
    if (value instanceof List<?> list) {
      List<@Nullable Object> copy = new ArrayList<>(list.size());
      list.forEach(each -> copy.add(copyOf(each)));
      return copy;
    }
    if (!(value instanceof Map<?, ?> map)) return value;
    @SuppressWarnings("unchecked") // documents have no other maps
    Map<String, @Nullable Object> object = (Map<String, @Nullable Object>) map;
    return copy(object);
  }

  static List<@Nullable Object> fromValues(List<Value> values) {
    List<@Nullable Object> list = new ArrayList<>(values.size());
    for (Value value : values) list.add(fromValue(value));
    return Collections.unmodifiableList(list);
  }

  static @Nullable Object fromValue(Value value) {
    return switch (value.getKindCase()) {
      case NUMBER_VALUE -> value.getNumberValue();
      case STRING_VALUE -> value.getStringValue();
      case BOOL_VALUE -> value.getBoolValue();
      case STRUCT_VALUE -> fromStruct(value.getStructValue());
      case LIST_VALUE -> fromValues(value.getListValue().getValuesList());
      case NULL_VALUE, KIND_NOT_SET -> null;
    };
  }

  /** Protobuf would send a question mark for half of a surrogate pair. */
  static String text(String field, String text) {
    if (!isUnicode(text)) throw Errors.unsendable(field, "a string is not valid Unicode");
    return text;
  }

  private static boolean isUnicode(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (!Character.isSurrogate(text.charAt(i))) continue;
      if (!Character.isSupplementaryCodePoint(text.codePointAt(i))) return false;
      i++; // the other half
    }
    return true;
  }

  /** A value inside of a container at level {@code depth}. */
  private static Value value(Path path, @Nullable Object value, int depth) {
    Value.Builder builder = Value.newBuilder();
    if (value == null) builder.setNullValue(NullValue.NULL_VALUE);
    else if (value instanceof String text) builder.setStringValue(text(path, text));
    else if (value instanceof Boolean bool) builder.setBoolValue(bool);
    else if (value instanceof Number number) builder.setNumberValue(number(path, number));
    else if (value instanceof Map<?, ?> map) builder.setStructValue(struct(path, map, depth + 1));
    else if (value instanceof List<?> list) builder.setListValue(list(path, list, depth + 1));
    else throw path.refusal(value.getClass().getName() + " is not JSON");
    return builder.build();
  }

  private static Struct struct(Path path, Map<?, ?> object, int depth) {
    checkDepth(path, depth);
    Struct.Builder struct = Struct.newBuilder();
    object.forEach((key, value) -> {
      if (!(key instanceof String name)) throw path.refusal("the key " + key + " is not a string");
      struct.putFields(text(path, name), value(new Path(path, name), value, depth));
    });
    return struct.build();
  }

  private static ListValue list(Path path, List<?> list, int depth) {
    checkDepth(path, depth);
    ListValue.Builder values = ListValue.newBuilder();
    for (@Nullable Object each : list) values.addValues(value(new Path(path, values.getValuesCount()), each, depth));
    return values.build();
  }

  private static String text(Path path, String text) {
    if (!isUnicode(text)) throw path.refusal("a string is not valid Unicode");
    return text;
  }

  /** Decimals are rounded to doubles, as everywhere. An integer that would become another one is refused. */
  private static double number(Path path, Number number) {
    double converted = number.doubleValue();
    if (!Double.isFinite(converted)) throw path.refusal(number + " is not a number of JSON");
    if (Math.abs(converted) >= INTEGER_MAX && losesDigits(number, converted)) {
      throw path.refusal(number + " is no double: put integers beyond 2^53 into strings");
    }
    return converted;
  }

  private static boolean losesDigits(Number number, double converted) {
    BigInteger integer;
    if (number instanceof BigInteger big) integer = big;
    else if (number instanceof Long || number instanceof AtomicLong) integer = BigInteger.valueOf(number.longValue());
    else return false;
    return !new BigDecimal(converted).toBigInteger().equals(integer);
  }

  private static void checkDepth(Path path, int depth) {
    if (depth > DEPTH_MAX) throw path.refusal("nested over " + DEPTH_MAX + " levels");
  }
}

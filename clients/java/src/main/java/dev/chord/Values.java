package dev.chord;

import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** google.protobuf.Struct and Value from and to Java's maps, lists and scalars. */
final class Values {
  /** The deepest nesting of a document that a server takes; the root object is level 1. */
  private static final int DEPTH_MAX = 32;

  private Values() {}

  /**
   * @param field of the request, for the error
   * @throws ChordException INVALID_ARGUMENT for what is not JSON
   */
  static Struct toStruct(String field, Map<String, ?> object) {
    return struct(field, object, 1);
  }

  /** @throws ChordException INVALID_ARGUMENT for what is not JSON */
  static Value toValue(String field, Object value) {
    return value(field, value, 0);
  }

  /** @throws ChordException INVALID_ARGUMENT for what is not JSON */
  static List<Value> toValues(String field, List<?> values) {
    return values.stream().map(each -> toValue(field, each)).toList();
  }

  static Map<String, Object> fromStruct(Struct struct) {
    Map<String, Value> fields = struct.getFieldsMap();
    Map<String, Object> object = new LinkedHashMap<>(fields.size() * 4 / 3 + 1);
    fields.forEach((key, value) -> object.put(key, fromValue(value)));
    return object;
  }

  static List<Object> fromValues(List<Value> values) {
    List<Object> list = new ArrayList<>(values.size());
    for (Value value : values) list.add(fromValue(value));
    return list;
  }

  static Object fromValue(Value value) {
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
    for (int i = 0; i < text.length(); i++) {
      if (!Character.isSurrogate(text.charAt(i))) continue;
      if (!Character.isSupplementaryCodePoint(text.codePointAt(i))) {
        throw Errors.unsendable(field, "a string is not valid Unicode");
      }
      i++; // the other half
    }
    return text;
  }

  /** A value inside of a container at level {@code depth}. */
  private static Value value(String field, Object value, int depth) {
    Value.Builder builder = Value.newBuilder();
    if (value == null) builder.setNullValue(NullValue.NULL_VALUE);
    else if (value instanceof String text) builder.setStringValue(text(field, text));
    else if (value instanceof Boolean bool) builder.setBoolValue(bool);
    else if (value instanceof Number number) builder.setNumberValue(finite(field, number.doubleValue()));
    else if (value instanceof Map<?, ?> map) builder.setStructValue(struct(field, map, depth + 1));
    else if (value instanceof List<?> list) builder.setListValue(list(field, list, depth + 1));
    else throw Errors.unsendable(field, value.getClass().getName() + " is not JSON");
    return builder.build();
  }

  private static Struct struct(String field, Map<?, ?> object, int depth) {
    checkDepth(field, depth);
    Struct.Builder struct = Struct.newBuilder();
    object.forEach((key, value) -> {
      if (!(key instanceof String name)) throw Errors.unsendable(field, "the key " + key + " is not a string");
      struct.putFields(text(field, name), value(field, value, depth));
    });
    return struct.build();
  }

  private static ListValue list(String field, List<?> list, int depth) {
    checkDepth(field, depth);
    ListValue.Builder values = ListValue.newBuilder();
    for (Object each : list) values.addValues(value(field, each, depth));
    return values.build();
  }

  private static double finite(String field, double number) {
    if (!Double.isFinite(number)) throw Errors.unsendable(field, number + " is not a number of JSON");
    return number;
  }

  private static void checkDepth(String field, int depth) {
    if (depth > DEPTH_MAX) throw Errors.unsendable(field, "nested over " + DEPTH_MAX + " levels");
  }
}

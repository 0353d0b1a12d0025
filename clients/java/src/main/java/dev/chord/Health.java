package dev.chord;

import com.google.protobuf.Int32Value;
import com.google.protobuf.StringValue;
import io.grpc.MethodDescriptor;
import io.grpc.protobuf.ProtoUtils;

/**
 * The call {@code grpc.health.v1.Health/Check}. Its request is one string, its answer one enum, each of number 1: on the wire those of
 * protobuf's wrappers. So no generated class stands beside that of {@code grpc-services} in a program that has it.
 */
final class Health {
  static final MethodDescriptor<StringValue, Int32Value> CHECK = MethodDescriptor.<StringValue, Int32Value>newBuilder()
      .setType(MethodDescriptor.MethodType.UNARY)
      .setFullMethodName("grpc.health.v1.Health/Check")
      .setRequestMarshaller(ProtoUtils.marshaller(StringValue.getDefaultInstance()))
      .setResponseMarshaller(ProtoUtils.marshaller(Int32Value.getDefaultInstance()))
      .build();

  private Health() {}

  static HealthStatus status(Int32Value answer) {
    HealthStatus[] all = HealthStatus.values();
    return answer.getValue() >= 0 && answer.getValue() < all.length ? all[answer.getValue()] : HealthStatus.UNKNOWN;
  }
}

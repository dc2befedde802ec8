package sheaf;

import com.google.protobuf.DescriptorProtos.MethodOptions.IdempotencyLevel;
import com.google.protobuf.Descriptors.FileDescriptor;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import sheaf.api.v1.ClusterServiceOuterClass;
import sheaf.api.v1.DatumServiceOuterClass;
import sheaf.api.v1.FileServiceOuterClass;
import sheaf.api.v1.JobServiceOuterClass;
import sheaf.api.v1.PipelineServiceOuterClass;
import sheaf.api.v1.RepoServiceOuterClass;

/** Connections: with a deadline for every unary call, the token, and reads that are made again while nobody answers. */
final class Channels {
  private static final int MESSAGE_BYTES_MAX = 4 << 20;
  private static final int UNARY_SECONDS = 30;
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private Channels() {}

  static ManagedChannel open(String address, String token, ChannelCredentials credentials) {
    return Grpc.newChannelBuilder(address, credentials)
        .maxInboundMessageSize(MESSAGE_BYTES_MAX)
        // A peer that went away without a word is noticed; the server's own signs of life reach applications only.
        .keepAliveTime(20, TimeUnit.SECONDS)
        .keepAliveTimeout(10, TimeUnit.SECONDS)
        .enableRetry()
        .defaultServiceConfig(serviceConfig())
        .proxyDetector(target -> null)
        .intercept(new Door(token))
        .build();
  }

  static ChannelCredentials plain() {
    return InsecureChannelCredentials.create();
  }

  /** Empty: by the authorities that the machine trusts. */
  static ChannelCredentials tls(String caFile) {
    var tls = TlsChannelCredentials.newBuilder();
    if (caFile.isEmpty()) return tls.build();
    try (var file = new FileInputStream(caFile)) {
      CertificateFactory.getInstance("X.509").generateCertificates(file);
      return tls.trustManager(new File(caFile)).build();
    } catch (IOException error) {
      throw unreadable(caFile, error.getMessage());
    } catch (CertificateException error) {
      throw unreadable(caFile, "it holds no certificate in PEM");
    }
  }

  private static SheafException unreadable(String caFile, String why) {
    var text = "the CA file %s cannot be read: %s".formatted(LocalFiles.shown(caFile), why);
    return new SheafException(Status.Code.INVALID_ARGUMENT, "CA_UNREADABLE", text);
  }

  private record Door(String token) implements ClientInterceptor {
    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      var isUnary = method.getType() == MethodDescriptor.MethodType.UNARY;
      var limited =
          isUnary && options.getDeadline() == null
              ? options.withDeadlineAfter(UNARY_SECONDS, TimeUnit.SECONDS)
              : options;
      return new SimpleForwardingClientCall<>(next.newCall(method, limited)) {
        @Override
        public void start(Listener<A> listener, Metadata headers) {
          if (!token.isEmpty()) headers.put(AUTHORIZATION, "Bearer " + token);
          super.start(listener, headers);
        }
      };
    }
  }

  /** Calls that change nothing are made again while nobody answers, for about 5 s. */
  private static Map<String, ?> serviceConfig() {
    var reads =
        Stream.of(
                RepoServiceOuterClass.getDescriptor(),
                FileServiceOuterClass.getDescriptor(),
                PipelineServiceOuterClass.getDescriptor(),
                JobServiceOuterClass.getDescriptor(),
                DatumServiceOuterClass.getDescriptor(),
                ClusterServiceOuterClass.getDescriptor())
            .map(FileDescriptor::getServices)
            .flatMap(List::stream)
            .flatMap(service -> service.getMethods().stream())
            .filter(method -> method.getOptions().getIdempotencyLevel() == IdempotencyLevel.NO_SIDE_EFFECTS)
            .map(method -> Map.of("service", method.getService().getFullName(), "method", method.getName()))
            .toList();
    var policy =
        Map.of(
            "maxAttempts", 5.0,
            "initialBackoff", "0.1s",
            "maxBackoff", "2s",
            "backoffMultiplier", 3.0,
            "retryableStatusCodes", List.of("UNAVAILABLE"));
    return Map.of("methodConfig", List.of(Map.of("name", reads, "retryPolicy", policy)));
  }
}

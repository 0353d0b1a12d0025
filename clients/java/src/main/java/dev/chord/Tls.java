package dev.chord;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Encryption. All files are PEM.
 *
 * @param roots of trust; null: those of the system
 * @param certificate for servers that want to know their clients, with its {@code key}; else null
 * @param serverName where the certificate names another host than the address; else null
 */
public record Tls(
    @Nullable Path roots, @Nullable Path certificate, @Nullable Path key, @Nullable String serverName) {
  /** @throws IllegalArgumentException for a certificate without its key, or a key alone */
  public Tls {
    if ((certificate == null) != (key == null)) {
      throw new IllegalArgumentException("certificate and key come together");
    }
  }

  /** Trusts whom the system trusts. */
  public static final Tls SYSTEM = new Tls(null, null, null, null);

  /** Trusts these authorities in place of those of the system. */
  public Tls withRoots(Path roots) {
    return new Tls(roots, certificate, key, serverName);
  }

  /** Shows this certificate to the server. */
  public Tls withIdentity(Path certificate, Path key) {
    return new Tls(roots, certificate, key, serverName);
  }

  /** Expects this name in the server's certificate. */
  public Tls withServerName(String serverName) {
    return new Tls(roots, certificate, key, serverName);
  }

  ChannelCredentials credentials() {
    try {
      TlsChannelCredentials.Builder credentials = TlsChannelCredentials.newBuilder();
      if (roots != null) credentials.trustManager(roots.toFile());
      if (certificate != null && key != null) credentials.keyManager(certificate.toFile(), key.toFile());
      return credentials.build();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

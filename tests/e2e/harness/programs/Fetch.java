import java.net.URL;
import java.security.cert.CertificateException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertPathBuilderException;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLException;

/** java Fetch URL */
public final class Fetch {
    public static void main(String[] arguments) throws Exception {
        HttpsURLConnection connection =
                (HttpsURLConnection) new URL(arguments[0]).openConnection();
        connection.setConnectTimeout(60000);
        connection.setReadTimeout(60000);
        try {
            System.out.println(connection.getResponseCode() == 200 ? "served" : "status");
        } catch (SSLException error) {
            for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                if (cause instanceof CertificateException
                        || cause instanceof CertPathValidatorException
                        || cause instanceof CertPathBuilderException
                        // an empty store: nothing is trusted
                        || String.valueOf(cause.getMessage()).contains("trustAnchors")) {
                    System.out.println("refused " + error.getMessage());
                    System.exit(3);
                }
            }
            throw error;
        }
    }
}

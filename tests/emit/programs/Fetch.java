import java.net.HttpURLConnection;
import java.net.URI;

/** Fetch URL: with the trust store that the JVM was told of. */
class Fetch {
  public static void main(String[] arguments) throws Exception {
    var connection = (HttpURLConnection) URI.create(arguments[0]).toURL().openConnection();
    System.out.println(connection.getResponseCode());
  }
}

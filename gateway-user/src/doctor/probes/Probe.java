// Shakes hands with a server on loopback under another name, as HttpsURLConnection and HttpClient do.
// Prints one line: `gateway-doctor {"client", "runtime", "ok", "error"}`. Java 11 and newer, from source.
import java.net.Socket;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

class Probe {
    public static void main(String[] arguments) {
        String error = "";
        int port = Integer.parseInt(arguments[1]);
        try (Socket plain = new Socket("127.0.0.1", port)) {
            plain.setSoTimeout(10000);
            SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
            SSLSocket socket = (SSLSocket) factory.createSocket(plain, arguments[0], port, true);
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
        } catch (Exception failure) {
            error = failure.toString().replace('\\', '/').replace('"', '\'').replace('\n', ' ').replace('\r', ' ');
        }
        System.out.println("gateway-doctor {\"client\":\"\",\"runtime\":\"Java " + System.getProperty("java.version")
            + "\",\"ok\":" + error.isEmpty() + ",\"error\":\"" + error + "\"}");
    }
}

// One streamed turn with Java's HttpClient: prints the answer's text; an error goes to standard error.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

public class Turn {
    static final Pattern CONTENT = Pattern.compile("\"delta\":\\{\"content\":\"((?:[^\"\\\\]|\\\\.)*)\"");

    public static void main(String[] arguments) throws Exception {
        String prompt = arguments[0].replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        String body = "{\"model\":\"gpt-4o-mini\",\"stream\":true,"
            + "\"messages\":[{\"role\":\"user\",\"content\":\"" + prompt + "\"}]}";
        var request = HttpRequest.newBuilder(URI.create("https://api.openai.com/v1/chat/completions"))
            .header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
        var reply = HttpClient.newHttpClient().send(request, BodyHandlers.ofLines());
        if (reply.version() != HttpClient.Version.HTTP_2) {
            throw new IllegalStateException("expected HTTP/2, got " + reply.version());
        }
        if (reply.statusCode() != 200) {
            System.err.println(reply.statusCode() + " " + reply.body().collect(Collectors.joining("\n")));
            System.exit(1);
        }
        reply.body().forEach(Turn::show);
    }

    static void show(String line) {
        var found = CONTENT.matcher(line);
        if (found.find()) {
            System.out.print(found.group(1).replace("\\n", "\n").replace("\\\"", "\""));
        }
    }
}

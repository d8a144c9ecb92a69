// As driver.py.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;

public class Driver {
    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] fields = line.split(" ");
            String secret = new String(HexFormat.of().parseHex(fields[0]), StandardCharsets.UTF_8);
            String header = new String(HexFormat.of().parseHex(fields[1]), StandardCharsets.UTF_8);
            byte[] body = HexFormat.of().parseHex(fields[2]);
            Instant now = Instant.ofEpochSecond(Long.parseLong(fields[3]));
            System.out.println(ContitSignature.isSigned(header, body, secret, Duration.ofMinutes(5), now));
        }
    }
}

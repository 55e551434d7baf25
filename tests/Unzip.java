import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

/** Unpacks an archive as Java programs do: `file` reads the directory, `stream` only the local headers. */
public final class Unzip {
    public static void main(String[] arguments) throws IOException {
        Path target = Path.of(arguments.length > 2 ? arguments[2] : ".");
        switch (arguments[0]) {
            case "file" -> readFile(arguments[1], target);
            case "stream" -> readStream(arguments[1], target);
            case "check" -> check(arguments[1]);
            case "check-file" -> checkFile(arguments[1]);
            case "list" -> list(arguments[1]);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void readFile(String archive, Path target) throws IOException {
        try (ZipFile zip = new ZipFile(archive)) {
            Enumeration<? extends ZipEntry> entries = zip.entries();
            while (entries.hasMoreElements()) {
                ZipEntry entry = entries.nextElement();
                try (InputStream content = zip.getInputStream(entry)) {
                    Files.copy(content, target.resolve(entry.getName()));
                }
            }
        }
    }

    private static void readStream(String archive, Path target) throws IOException {
        try (ZipInputStream zip = new ZipInputStream(new FileInputStream(archive))) {
            for (ZipEntry entry; (entry = zip.getNextEntry()) != null; ) {
                if (entry.getSize() < 0) {
                    throw new IOException("the local header does not say the size");
                }
                Files.copy(zip, target.resolve(entry.getName()));
            }
        }
    }

    private static void check(String archive) throws IOException {
        try (ZipInputStream zip = new ZipInputStream(new FileInputStream(archive))) {
            byte[] buffer = new byte[1 << 20];
            while (zip.getNextEntry() != null) {
                while (zip.read(buffer) >= 0) {
                    // reading to the end is what compares sizes and CRC-32
                }
            }
        }
    }

    /** ZipFile compares nothing by itself. */
    private static void checkFile(String archive) throws IOException {
        try (ZipFile zip = new ZipFile(archive)) {
            Enumeration<? extends ZipEntry> entries = zip.entries();
            while (entries.hasMoreElements()) {
                ZipEntry entry = entries.nextElement();
                CRC32 crc32 = new CRC32();
                long size = 0;
                byte[] buffer = new byte[1 << 20];
                try (InputStream content = zip.getInputStream(entry)) {
                    for (int count; (count = content.read(buffer)) >= 0; size += count) {
                        crc32.update(buffer, 0, count);
                    }
                }
                if (size != entry.getSize() || crc32.getValue() != entry.getCrc()) {
                    throw new IOException("size or CRC-32 of " + entry.getName() + " are others");
                }
            }
        }
    }

    private static void list(String archive) throws IOException {
        try (ZipFile zip = new ZipFile(new File(archive))) {
            Enumeration<? extends ZipEntry> entries = zip.entries();
            while (entries.hasMoreElements()) {
                ZipEntry entry = entries.nextElement();
                System.out.println(entry.getName() + " " + entry.getSize() + " " + entry.getCompressedSize());
            }
        }
    }
}

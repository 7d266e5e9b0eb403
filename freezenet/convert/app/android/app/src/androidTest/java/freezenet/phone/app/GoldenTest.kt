package freezenet.phone.app

import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith

/** This phone gives what the card promises: ./gradlew connectedAndroidTest */
@RunWith(AndroidJUnit4::class)
class GoldenTest {
    @Test
    fun thisPhoneKeepsWhatTheCardPromises() {
        Phone(InstrumentationRegistry.getInstrumentation().targetContext.assets).use { phone ->
            val (found, wrong) = phone.check()
            assertTrue(found.isNotEmpty())
            assertEquals(emptyList<String>(), found.filterNot { it.passed }.map { "${it.name}: pixels ${it.pixels}, ${it.difference}, answer ${it.answer}" })
            assertEquals(emptyList<String>(), wrong)
        }
    }
}
